"""What ends an answered call at once: a required variable that is missing, an override that is not allowed."""

from __future__ import annotations

from typing import Any

from .stories import required_variables
from .world import Conversation

Json = dict[str, Any]


def start_obstacle(call: Conversation) -> Json | None:
    """`metadata.error` of a call that the agent cannot start, else None."""
    return _forbidden_override(call) or _missing_variable(call)


def _missing_variable(call: Conversation) -> Json | None:
    config = call.agent["conversation_config"]["agent"]
    override = (call.client_data.get("conversation_config_override") or {}).get("agent") or {}
    needed = required_variables(override.get("first_message") or config["first_message"])
    known = set(config["dynamic_variables"]["dynamic_variable_placeholders"])
    missing = needed - known - set(call.client_data.get("dynamic_variables") or {})
    if not missing:
        return None
    names = ", ".join(f"'{name}'" for name in sorted(missing))
    reason = f"Missing required dynamic variables in first message: {{{names}}}"
    return {"code": 1008, "reason": reason, "error_type": "missing_dynamic_variable"}


def _forbidden_override(call: Conversation) -> Json | None:
    given = call.client_data.get("conversation_config_override") or {}
    allowed = call.agent["platform_settings"]["overrides"]["conversation_config_override"]
    field = _first_forbidden(given, allowed)
    if field is None:
        return None
    reason = f"Override for field '{field}' is not allowed by config."
    return {"code": 1008, "reason": reason, "error_type": "override_error"}


def _first_forbidden(given: Json, allowed: Json) -> str | None:
    for key, value in given.items():
        if value is None:
            continue
        permission = allowed.get(key, False)
        if isinstance(permission, dict) and isinstance(value, dict):
            inner = _first_forbidden(value, permission)
            if inner is not None:
                return inner
        elif permission is not True:
            return str(key)
    return None
