"""An ElevenLabs that answers in the documented shapes and really plays calls; shares no code with our client."""

from __future__ import annotations

from .app import create_app
from .config import SimulatorConfig
from .server import RunningSimulator, running, serve

__all__ = ["RunningSimulator", "SimulatorConfig", "create_app", "running", "serve"]
