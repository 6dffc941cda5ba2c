"""The live monitor: a page for whoever watches campaigns and calls, fed by the API and /ws/events."""
