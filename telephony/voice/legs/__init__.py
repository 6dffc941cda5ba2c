"""The side of a conversation that people are on: Asterisk's media socket, AudioSocket, or a browser over WebRTC."""
