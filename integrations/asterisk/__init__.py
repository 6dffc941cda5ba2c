"""Asterisk over ARI: its REST interface and its event socket. Knows nothing of campaigns."""
