"""A webhook endpoint with a secret, and the campaign whose calls it hears of."""

from __future__ import annotations

from tests.dialer.conftest import provider, simulator

__all__ = ["provider", "simulator"]
