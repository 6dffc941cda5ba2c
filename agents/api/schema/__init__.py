"""Agents and phone providers, described for `/api/schema`: importing this annotates their views."""

from __future__ import annotations

from agents.api.schema import agents, phone_providers

__all__ = ["agents", "phone_providers"]
