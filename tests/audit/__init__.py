"""The audit: what it finds, what it repairs, and what it leaves alone."""
