"""What changed in an adopted agent, as the admin shows it: by part, side by side, escaped, with secrets masked."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.admin.diff import parts_of
from agents.models import Agent
from tests.admin.conftest import PLANTED, World

PROMPT = "conversation_config.agent.prompt.prompt"


def rows(path: str, adopted: object, now: object) -> list[tuple[str, str, str]]:
    [part] = parts_of([{"path": path, "adopted": adopted, "now": now}])
    [change] = part["changes"]
    return [(kind, str(was), str(is_now)) for kind, was, is_now in change["rows"]]


def test_the_words_that_differ_are_marked() -> None:
    assert rows(PROMPT, "You are Ava.", "You are Bo.") == [
        ("changed", "You are <del>Ava</del>.", "You are <ins>Bo</ins>."),
    ]


def test_sentences_that_stayed_are_not_marked() -> None:
    assert rows(PROMPT, "Be kind. Be brief.", "Be kind. Be brief. Never shout.") == [
        ("same", "Be kind.", "Be kind."),
        ("same", "Be brief.", "Be brief."),
        ("added", "", "<ins>Never shout.</ins>"),
    ]


def test_what_was_taken_away_is_a_removed_line() -> None:
    assert rows(PROMPT, "Be kind.", None) == [("removed", "<del>Be kind.</del>", "")]


def test_values_are_shown_as_json_line_by_line() -> None:
    shown = rows("conversation_config.agent.prompt.tools", [{"name": "book"}], [{"name": "cancel"}])
    assert (
        "changed",
        "    &quot;name&quot;: &quot;<del>book</del>&quot;",
        "    &quot;name&quot;: &quot;<ins>cancel</ins>&quot;",
    ) in shown


def test_secrets_are_masked_by_their_name_and_by_how_they_read() -> None:
    assert PLANTED not in str(rows("platform_settings.auth.api_key", PLANTED, f"{PLANTED}2"))
    assert "abcdefgh" not in str(rows(PROMPT, "Bearer abcdefgh", "Bearer abcdefghi"))


def test_nothing_from_elsewhere_is_html() -> None:
    assert "<script>" not in str(rows(PROMPT, "<script>alert(1)</script>", "<b>x</b> y"))


@pytest.mark.parametrize(
    ("path", "part"),
    [
        (PROMPT, "Prompt"),
        ("conversation_config.agent.prompt.tool_ids", "Tools"),
        ("conversation_config.agent.prompt.tools.0.name", "Tools"),
        ("conversation_config.agent.prompt.temperature", "Language model"),
        ("conversation_config.tts.voice_id", "Voice"),
        ("platform_settings.guardrails.version", "Safety rules"),
        ("something_new.here", "Something new"),
        ("", "Configuration"),
    ],
)
def test_a_change_is_found_under_its_part(path: str, part: str) -> None:
    assert [each["name"] for each in parts_of([{"path": path, "adopted": 1, "now": 2}])] == [part]


@pytest.mark.django_db
def test_the_agents_page_shows_what_changed(browser: Client, world: World) -> None:
    drift = [{"path": PROMPT, "adopted": "You are Ava.", "now": "You are Bo."}]
    Agent.objects.update(drift=drift, compared_at=timezone.now())
    text = browser.get(reverse("admin:agents_agent_change", args=(world.ids["agents_agent"],))).content.decode()
    assert "You are <ins>Bo</ins>." in text
    assert "1 change." in text
    listed = browser.get(reverse("admin:agents_agent_changelist"), {"drift": "changed"}).content.decode()
    assert "1 changed" in listed


@pytest.mark.django_db
@pytest.mark.parametrize(("wanted", "count"), [("changed", 0), ("missing", 1), ("same", 0), ("x", 1)])
def test_agents_are_found_by_how_they_stand(browser: Client, world: World, wanted: str, count: int) -> None:
    Agent.objects.update(is_missing=True, compared_at=timezone.now())
    changelist = browser.get(reverse("admin:agents_agent_changelist"), {"drift": wanted}).context["cl"]
    assert len(changelist.result_list) == count


@pytest.mark.django_db
def test_adopting_again_asks_first_and_says_what_it_does(browser: Client, world: World) -> None:
    address = reverse("admin:agents_agent_adopt", args=(world.ids["agents_agent"],))
    text = browser.post(address).content.decode()
    assert "Adopt “Agent” again?" in text
    assert "replaces the copy here" in text
