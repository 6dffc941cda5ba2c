"""`python -m integrations.asterisk.simulator`: the simulator without Django."""

from __future__ import annotations

from .server import main

main()
