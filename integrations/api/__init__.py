"""Keys and numbers over HTTP."""
