"""How the admin says what the audit trail says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from aispinner.core.admin_html import badge, muted, when
from aispinner.core.models import AuditEntry, Via

BAD = ("failed", "deleted", "removed", "revoked", "cancelled")


def trail(entries: Iterable[AuditEntry]) -> list[dict[str, Any]]:
    """Entries as rows of the history of one thing."""
    return [
        {
            "who": who(entry),
            "way": way_of(entry),
            "deed": deed_badge(entry),
            "told": changes_of(entry) if entry.changes else "",
            "when": when(entry.at),
        }
        for entry in entries
    ]


def in_words(code: str) -> str:
    """`phone_provider.added` → "Phone provider added"."""
    return code.replace("_", " ").replace(".", " ").capitalize().replace("Elevenlabs", "ElevenLabs")


def who(entry: AuditEntry) -> str:
    """Who did it."""
    if entry.username:
        return entry.username
    return "The server" if entry.via == Via.SYSTEM else "Not logged in"


def way_of(entry: AuditEntry) -> str:
    """How they came in, with the token's name."""
    if entry.token_id:
        return f"API, token {entry.token_name or entry.token_id}"
    return "a command or task" if entry.via == Via.SYSTEM else entry.get_via_display()


def deed_badge(entry: AuditEntry) -> SafeString:
    """What was done."""
    return badge(in_words(entry.action), "bad" if entry.action.endswith(BAD) else "idle", hint=entry.action)


def changes_of(entry: AuditEntry) -> SafeString:
    """What is new, or the old and the new."""
    told = entry.changes if isinstance(entry.changes, dict) else {}
    rows = [(in_words(name), _shown(value)) for name, value in told.items() if value not in ("", None, [])]
    if not rows:
        return muted("—")
    return format_html_join("", '<span class="tp-change"><small>{}</small> {}</span>', rows)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and len(value) == 2:
        before, after = (str(each) if each not in ("", None) else "nothing" for each in value)
        return f"{before} → {after}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
