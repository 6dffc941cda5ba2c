"""`python -m integrations.elevenlabs.simulator`: the simulator without Django."""

from __future__ import annotations

from .server import main

main()
