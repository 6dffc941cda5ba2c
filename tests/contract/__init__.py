"""The API as it is published, as it is described, and as it answers."""
