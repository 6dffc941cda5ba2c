"""The simulated ElevenLabs, as in tests/integrations."""

from __future__ import annotations

from tests.integrations.conftest import sim, simulator

__all__ = ["sim", "simulator"]
