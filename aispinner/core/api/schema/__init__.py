"""Tokens, workspaces and the audit trail, described for `/api/schema`: importing this annotates their views."""

from __future__ import annotations

from aispinner.core.api.schema import audit, tokens, workspaces

__all__ = ["audit", "tokens", "workspaces"]
