"""An ElevenLabs agent's configuration, read into our fields. Pure; secrets in it never get further than here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac

_KEPT = ("name", "conversation_config", "platform_settings", "workflow", "tags", "procedures")
_SECRET_FIELDS = frozenset({"request_headers", "headers", "shareable_token", "token", "password", "api_key"})


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What is adopted; each field as on `agents.models.Agent`."""

    name: str
    voice_id: str
    prompt: str
    first_message: str
    language: str
    model: str
    temperature: float | None
    max_tokens: int | None
    tools: list[Any]
    voice_settings: dict[str, Any]
    platform_tools: dict[str, Any]
    safety_rules: dict[str, Any]
    raw_config: dict[str, Any]


def read_configuration(answer: Mapping[str, Any]) -> Configuration:
    """The configuration in the answer of GET /v1/convai/agents/{id}; what is missing or odd is left empty."""
    raw = raw_config(answer)
    conversation = _object(raw, "conversation_config")
    agent, voice = _object(conversation, "agent"), _object(conversation, "tts")
    prompt, platform = _object(agent, "prompt"), _object(raw, "platform_settings")
    return Configuration(
        name=_text(raw, "name")[:200] or "Agent",
        voice_id=_text(voice, "voice_id")[:100],
        prompt=_text(prompt, "prompt"),
        first_message=_text(agent, "first_message"),
        language=_text(agent, "language")[:20],
        model=_text(prompt, "llm")[:100],
        temperature=_number(prompt, "temperature"),
        max_tokens=_whole(prompt, "max_tokens"),
        tools=_tools(prompt),
        voice_settings={name: value for name, value in voice.items() if name != "voice_id"},
        platform_tools={name: tool for name, tool in _object(prompt, "built_in_tools").items() if tool},
        safety_rules={name: rules for name in ("guardrails", "safety") if (rules := platform.get(name))},
        raw_config=raw,
    )


def raw_config(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an agent that makes it what it is, without ids of versions, people, numbers and secrets."""
    kept = {name: answer[name] for name in _KEPT if answer.get(name) is not None}
    cleaned: dict[str, Any] = _clean(kept)
    return cleaned


def _clean(value: Any, *, secret: bool = False) -> Any:
    """A copy that PostgreSQL can hold, in which each secret is a mark: equal secrets have equal marks."""
    if isinstance(value, Mapping):
        return {_storable(name): _clean(item, secret=secret or name in _SECRET_FIELDS) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, secret=secret) for item in value]
    if isinstance(value, str):
        return f"hidden:{salted_hmac('agents.configuration', value).hexdigest()[:12]}" if secret else _storable(value)
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def _storable(words: str) -> str:
    return words.replace("\x00", "").encode("utf-8", "replace").decode()


def _tools(prompt: Mapping[str, Any]) -> list[Any]:
    """The tools as they stand in the prompt, else the ids of those that the workspace keeps."""
    inline, ids = prompt.get("tools"), prompt.get("tool_ids")
    if isinstance(inline, list) and inline:
        return inline
    return [{"id": tool_id} for tool_id in ids if isinstance(tool_id, str)] if isinstance(ids, list) else []


def _object(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(data: Mapping[str, Any], name: str) -> int | None:
    value = _number(data, name)
    return int(value) if value is not None and abs(value) < 2**31 else None
