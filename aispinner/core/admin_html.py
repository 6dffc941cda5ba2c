"""Small pieces of the admin's pages as HTML: badges, times, durations, JSON with its secrets masked. All escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

Tone = Literal["ok", "bad", "live", "wait", "idle", "voice"]

MASK = "••••••"
_SECRET_NAMES = re.compile(
    r"secret|passw|token|api[_-]?key|authoriz|credential|private|cookie|signature|^key$", re.IGNORECASE
)
_NOT_SECRET = frozenset({"max_tokens", "output_tokens", "input_tokens", "token_count", "max_output_tokens"})
_SECRET_TEXT = re.compile(
    r"\b(sk|xi|whsec|wsec|xox[abp]|ghp|pk)_[\w-]{6,}|\bBearer\s+\S+|\bBasic\s+\S+|://[^/\s:@]+:[^/\s@]+@"
)
_DAY = 86_400


def badge(words: object, tone: Tone, *, hint: str = "") -> SafeString:
    """A coloured label with a dot; `live` ones breathe."""
    return format_html('<span class="tp-badge tp-{}" title="{}"><i></i>{}</span>', tone, hint, words)


def two_lines(first: object, second: object) -> SafeString:
    """A cell: what matters, and below it, smaller, what helps."""
    return format_html('<span class="tp-two"><b>{}</b><small>{}</small></span>', first, second)


def muted(words: object) -> SafeString:
    """Words that matter less."""
    return format_html('<span class="tp-muted">{}</span>', words)


def when(moment: datetime | None, *, empty: str = "—") -> SafeString:
    """A moment as people say it ("4 min ago", "21 Nov, 14:32"); the exact one when pointed at. UTC."""
    if moment is None:
        return muted(empty)
    exact = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, ago(moment))


def ago(moment: datetime, *, now: datetime | None = None) -> str:
    """How far `moment` is from now, in words."""
    now = now or timezone.now()
    seconds = int((now - moment).total_seconds())
    words = _distance(abs(seconds))
    if not words:
        return f"{moment.day} {moment:%b %Y}" if moment.year != now.year else f"{moment.day} {moment:%b, %H:%M}"
    if words == "now":
        return "now"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _distance(seconds: int) -> str:
    if seconds < 2:
        return "now"
    for length, unit in ((60, "s"), (3_600, "min"), (_DAY, "h")):
        if seconds < length:
            return f"{seconds // {'s': 1, 'min': 60, 'h': 3_600}[unit]} {unit}"
    return ""


def duration(seconds: int | None) -> str:
    """Seconds as a clock shows them: 0:42, 12:05, 1:02:33; nothing as a dash."""
    if not seconds:
        return "—"
    hours, rest = divmod(int(seconds), 3_600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def masked(value: Any) -> Any:
    """`value` (of JSON) with everything that looks like a secret replaced: by its name, or by how it reads."""
    if isinstance(value, Mapping):
        return {
            name: MASK if item and _names_a_secret(str(name), item) else masked(item) for name, item in value.items()
        }
    if isinstance(value, str):
        return _SECRET_TEXT.sub(MASK, value)
    if isinstance(value, Sequence):
        return _masked_list(value)
    return value


def _masked_list(items: Sequence[Any]) -> list[Any]:
    return [masked(item) for item in items]


def _names_a_secret(name: str, item: Any) -> bool:
    if name.lower() in _NOT_SECRET or isinstance(item, bool | int | float):
        return False
    if name.lower() in {"request_headers", "headers"} and isinstance(item, Mapping):
        return True
    return bool(_SECRET_NAMES.search(name)) and not (isinstance(item, Mapping) and set(item) == {"secret_id"})


def json_block(value: Any, *, summary: str = "") -> SafeString:
    """JSON to read, secrets masked; folded behind `summary` where one is given."""
    text = json.dumps(masked(value), indent=2, ensure_ascii=False, default=str)
    block = format_html('<pre class="tp-json">{}</pre>', text)
    return (
        format_html('<details class="tp-fold"><summary>{}</summary>{}</details>', summary, block) if summary else block
    )
