"""What changed in an agent, to be read: part by part, the two texts side by side, the words that differ marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from aispinner.core.admin_html import masked

PARTS = (  # the first that a path begins with says where it belongs
    ("name", "Name"),
    ("conversation_config.agent.prompt.prompt", "Prompt"),
    ("conversation_config.agent.first_message", "First message"),
    ("conversation_config.agent.prompt.tool", "Tools"),
    ("conversation_config.agent.prompt.built_in_tools", "Tools"),
    ("conversation_config.agent.prompt", "Language model"),
    ("conversation_config.tts", "Voice"),
    ("conversation_config.agent", "Agent"),
    ("conversation_config", "Conversation"),
    ("platform_settings.guardrails", "Safety rules"),
    ("platform_settings.safety", "Safety rules"),
    ("platform_settings", "Platform settings"),
    ("workflow", "Workflow"),
)
MOST_LINES = 400  # of one change; a longer one is cut, with a line that says so
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z#*-])")
_WORD = re.compile(r"\s+|\d+(?:\.\d+)?|\w+|[^\w\s]")
Row = tuple[str, SafeString, SafeString]  # same / changed / added / removed, what was, what is


def parts_of(drift: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The changes (`path`, `adopted`, `now`) by part, in the order in which people look at an agent."""
    found: dict[str, list[dict[str, Any]]] = {}
    for change in drift:
        path = str(change.get("path", ""))
        part, below = _part_of(path)
        rows = list(_rows(*(_lines(path, change.get(side)) for side in ("adopted", "now"))))
        shown = {"path": path, "words": below or part, "rows": rows[:MOST_LINES], "more": len(rows) - MOST_LINES}
        found.setdefault(part, []).append(shown)
    order = [words for _, words in PARTS]
    return [
        {"name": name, "changes": found[name]}
        for name in sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    ]


def _part_of(path: str) -> tuple[str, str]:
    for prefix, words in PARTS:
        if path == prefix or path.startswith((f"{prefix}.", f"{prefix}_", f"{prefix}s")):
            return words, path.removeprefix(prefix).strip("._").replace("_", " ").replace(".", " · ")
    first, _, rest = path.partition(".")
    return first.replace("_", " ").capitalize() or "Configuration", rest.replace("_", " ").replace(".", " · ")


def _lines(path: str, value: Any) -> list[str]:
    """A value as lines: a text by its lines and sentences, the rest as JSON. None, which is nothing, has none."""
    if value is None or value == "":
        return []
    value = masked({path.rpartition(".")[2]: value}).popitem()[1]
    if isinstance(value, str):
        return [sentence for line in value.splitlines() for sentence in _SENTENCE.split(line)]
    return json.dumps(value, indent=2, ensure_ascii=False, default=str).splitlines()


def _rows(before: list[str], after: list[str]) -> Iterator[Row]:
    for tag, start, end, start_after, end_after in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        left, right = before[start:end], after[start_after:end_after]
        if tag == "equal":
            yield from (("same", _plain(line), _plain(line)) for line in left)
            continue
        for place in range(max(len(left), len(right))):
            was, now = (side[place] if place < len(side) else "" for side in (left, right))
            kind = "changed" if was and now else "removed" if was else "added"
            yield kind, *_marked(was, now)


def _marked(was: str, now: str) -> tuple[SafeString, SafeString]:
    """Both lines, with <del> and <ins> around the words that are in one of them alone."""
    before, after = _WORD.findall(was), _WORD.findall(now)
    left: list[tuple[str, str]] = []
    right: list[tuple[str, str]] = []
    for tag, start, end, start_after, end_after in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        left.append(("" if tag == "equal" else "del", "".join(before[start:end])))
        right.append(("" if tag == "equal" else "ins", "".join(after[start_after:end_after])))
    return _tagged(left), _tagged(right)


def _tagged(pieces: list[tuple[str, str]]) -> SafeString:
    shown = (format_html(f"<{tag}>{{}}</{tag}>" if tag else "{}", text) for tag, text in pieces if text)
    return format_html_join("", "{}", ((each,) for each in shown))


def _plain(line: str) -> SafeString:
    return format_html("{}", line)
