"""The admin's pages of agents, and of the phone providers whose numbers they answer."""

from __future__ import annotations

from agents.admin import adopted, phone_providers

__all__ = ["adopted", "phone_providers"]
