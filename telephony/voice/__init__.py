"""Our own voice path: the process that joins a phone or a browser with an agent's conversation socket."""
