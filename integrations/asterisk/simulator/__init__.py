"""An Asterisk with telephones behind it, as ARI shows them: real audio, real orders of events, and their traps.

Shares no code with our client. What it says was held against a running Asterisk 22.10.1.
"""

from __future__ import annotations

from .app import create_app
from .config import SimulatorConfig
from .server import RunningSimulator, running, serve

__all__ = ["RunningSimulator", "SimulatorConfig", "create_app", "running", "serve"]
