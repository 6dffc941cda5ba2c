"""What of an agent is adopted, and what of it never gets further."""

from __future__ import annotations

from typing import Any

from agents.configuration import raw_config, read_configuration
from agents.drift import Change, changes

ANSWER: dict[str, Any] = {
    "agent_id": "agent_xyz",
    "name": "Ava",
    "version_id": "agtvrsn_1",
    "access_info": {"creator_email": "ada@example.org"},
    "phone_numbers": [{"phone_number": "+15550100001", "outbound_trunk": {"headers": {"X-Secret": "s3cret"}}}],
    "tags": ["outbound"],
    "conversation_config": {
        "agent": {
            "first_message": "Hello {{name}}",
            "language": "en",
            "prompt": {
                "prompt": "You are Ava.",
                "llm": "gemini-2.5-flash",
                "temperature": 0,
                "max_tokens": -1,
                "tool_ids": ["tool_1"],
                "tools": [{"name": "book", "api_schema": {"request_headers": {"Authorization": "Bearer s3cret"}}}],
                "built_in_tools": {"end_call": {"name": "end_call"}, "skip_turn": None},
            },
        },
        "tts": {"voice_id": "v1", "model_id": "eleven_flash_v2", "stability": 0.5},
    },
    "platform_settings": {
        "guardrails": {"focus": {"is_enabled": True}},
        "auth": {"enable_auth": True, "shareable_token": "s3cret"},
    },
}


def test_every_published_field_is_read() -> None:
    read = read_configuration(ANSWER)
    assert (read.name, read.voice_id, read.prompt, read.first_message, read.language, read.model) == (
        "Ava",
        "v1",
        "You are Ava.",
        "Hello {{name}}",
        "en",
        "gemini-2.5-flash",
    )
    assert (read.temperature, read.max_tokens) == (0.0, -1)
    assert [tool["name"] for tool in read.tools] == ["book"]
    assert read.voice_settings == {"model_id": "eleven_flash_v2", "stability": 0.5}
    assert read.platform_tools == {"end_call": {"name": "end_call"}}
    assert read.safety_rules == {"guardrails": {"focus": {"is_enabled": True}}}
    assert set(read.raw_config) == {"name", "tags", "conversation_config", "platform_settings"}


def test_secrets_people_and_numbers_are_not_adopted() -> None:
    adopted = repr(read_configuration(ANSWER))
    for hidden in ("s3cret", "ada@example.org", "+1555", "agtvrsn_1"):
        assert hidden not in adopted


def test_a_changed_secret_is_seen_without_being_shown() -> None:
    before, after = (
        raw_config(ANSWER),
        raw_config({**ANSWER, "platform_settings": {"auth": {"shareable_token": "new"}}}),
    )
    paths = [change.path for change in changes(before, after)]
    assert "platform_settings.auth.shareable_token" in paths
    assert raw_config(ANSWER) == before


def test_an_agent_of_an_odd_shape_is_adopted_as_far_as_it_goes() -> None:
    read = read_configuration({"name": None, "conversation_config": {"agent": [], "tts": {"voice_id": 7}}})
    assert (read.name, read.voice_id, read.prompt, read.temperature, read.tools) == ("Agent", "", "", None, [])


def test_what_postgresql_cannot_hold_is_left_out() -> None:
    assert raw_config({"name": "A\x00va \ud83d", "tags": [float("nan")]}) == {"name": "Ava ?", "tags": [None]}


def test_drift_names_each_leaf_that_differs() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "gone": True, "list": [1]}
    after = {"a": {"b": 2, "c": [1, 3]}, "new": {"x": 1}, "list": [1, 2]}
    assert changes(before, after) == [
        Change(path="a.b", adopted=1, now=2),
        Change(path="a.c.1", adopted=2, now=3),
        Change(path="gone", adopted=True, now=None),
        Change(path="list", adopted=[1], now=[1, 2]),
        Change(path="new", adopted=None, now={"x": 1}),
    ]
    assert changes(before, before) == []
