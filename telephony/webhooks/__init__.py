"""What providers post to us: stored first, applied after."""
