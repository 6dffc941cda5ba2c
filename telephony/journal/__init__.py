"""The journal: who called whom, what came of it and what was said; read in time that does not grow with it."""
