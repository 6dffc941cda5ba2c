"""Pieces of telephony that several admin pages show: progress, lines, rows of calls and chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from aispinner.core.admin_html import duration, muted, two_lines, when
from telephony.admin.words import WAITS, call_badge, chunk_badge, disposition_badge, plain
from telephony.models import Call, CallStatus, Chunk, ChunkStatus, Run, RunProgress, RunStatus

SEGMENTS = (
    ("success", "ok", "succeeded"),
    ("failed", "bad", "failed"),
    ("in_flight", "live", "in flight"),
    ("cancelled", "idle", "cancelled"),
    ("pending", "rest", "to be dialled"),
)
UNFINISHED = (RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.PAUSED)
MOVING = (RunStatus.RUNNING, RunStatus.PAUSING)
LIST_FIELDS_LEFT_OUT = ("transcript", "summary")  # long; no list shows them


def percent_done(progress: RunProgress) -> int:
    """How much of the list has been dialled to an end, 0 to 100; what was cancelled has not."""
    return (progress.success + progress.failed) * 100 // (progress.numbers_count or 1)


def segments(progress: RunProgress) -> list[dict[str, Any]]:
    """The parts of the bar: name, tone, words, count and width in percent."""
    total = progress.numbers_count or 1
    return [
        {"name": name, "tone": tone, "words": words, "count": getattr(progress, name)}
        | {"width": f"{getattr(progress, name) * 100 / total:.2f}", "shown": f"{getattr(progress, name):,}"}
        for name, tone, words in SEGMENTS
    ]


def progress_bar(progress: RunProgress) -> SafeString:
    """The coloured bar alone."""
    parts = [part for part in segments(progress) if part["count"] and part["name"] != "pending"]
    return format_html(
        '<span class="tp-bar" role="progressbar" aria-label="Progress"'
        ' aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}">{}</span>',
        percent_done(progress),
        format_html_join(
            "",
            '<i class="tp-{}" style="width:{}%" title="{} {}"></i>',
            ((part["tone"], part["width"], f"{part['count']:,}", part["words"]) for part in parts),
        ),
    )


def progress_cell(progress: RunProgress) -> SafeString:
    """The bar with its figures, as the list of campaigns shows it."""
    done = progress.success + progress.failed
    return format_html(
        '<span class="tp-progress">{}<small><b>{}%</b> · {} of {}<span class="tp-split">'
        '<em class="tp-ok">{}</em><em class="tp-bad">{}</em></span></small></span>',
        progress_bar(progress),
        percent_done(progress),
        f"{done:,}",
        f"{progress.numbers_count:,}",
        f"{progress.success:,} ✓",
        f"{progress.failed:,} ✗",
    )


def lines_cell(run: Run) -> SafeString:
    """Lines in use of those allowed."""
    if run.status not in MOVING and not run.progress.in_flight:
        return muted(f"— / {run.max_concurrent}")
    return format_html('<span class="tp-lines"><b>{}</b> / {}</span>', run.progress.in_flight, run.max_concurrent)


def link(words: object, name: str, *args: object) -> SafeString:
    """A link to the admin page `name`."""
    return format_html('<a class="tp-link" href="{}">{}</a>', reverse(f"admin:{name}", args=args), words)


def number_of(call: Call) -> str:
    """The other side's number, or what stands for it."""
    return call.subscriber_phone or ("Web call" if call.direction == "web" else "Unknown number")


def number_cell(call: Call) -> SafeString:
    """The number, and below it which way the call went."""
    return two_lines(number_of(call), call.get_direction_display())


def call_rows(calls: Iterable[Call], *, with_run: bool) -> list[dict[str, Any]]:
    """Calls as rows of a small table."""
    return [
        {
            "url": reverse("admin:telephony_call_change", args=(call.pk,)),
            "number": number_of(call),
            "badge": call_badge(call),
            "disposition": disposition_badge(call),
            "duration": duration(call.duration_sec),
            "when": when(call.created_at),
            "run": str(call.run) if with_run and call.run else "",
            "agent": str(call.agent_node) if call.agent_node else "",
        }
        for call in calls
    ]


def light(calls: QuerySet[Call]) -> QuerySet[Call]:
    """`calls` as lists need them: without the long texts, with what their rows name."""
    return calls.defer(*LIST_FIELDS_LEFT_OUT).select_related("run", "agent_node")


def chunk_rows(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """Chunks as rows, each with how its calls stand."""
    counts: dict[int, Counter[str]] = {}
    per_status = (
        Call.objects.filter(chunk__in=chunks).order_by().values_list("chunk_id", "status").annotate(n=Count("pk"))
    )
    for chunk_id, status, n in per_status:
        counts.setdefault(chunk_id or 0, Counter())[status] = n
    return [_chunk_row(chunk, counts.get(chunk.pk, Counter())) for chunk in chunks]


def _chunk_row(chunk: Chunk, counts: Counter[str]) -> dict[str, Any]:
    total = max(chunk.size, sum(counts.values()), 1)
    done, failed, cancelled = (counts[name] for name in (CallStatus.DONE, CallStatus.FAILED, CallStatus.CANCELLED))
    still = sum(counts.values()) - done - failed - cancelled
    bar = (
        ("ok", done, "succeeded"),
        ("bad", failed, "failed"),
        ("live", still, "in flight"),
        ("idle", cancelled, "not dialled"),
    )
    return {
        "chunk": chunk,
        "badge": chunk_badge(chunk),
        "submitted": when(chunk.submitted_at),
        "finished": when(chunk.finished_at, empty=""),
        "reason": _why(chunk),
        "retry": when(chunk.retry_at, empty="") if chunk.status == ChunkStatus.RATE_LIMITED else "",
        "key_url": reverse("admin:integrations_elevenlabskey_change", args=(chunk.api_key_id,))
        if chunk.api_key_id
        else "",
        "bar": [
            {"tone": tone, "count": n, "words": words, "width": f"{n * 100 / total:.2f}"} for tone, n, words in bar if n
        ],
        "counts": ", ".join(f"{n:,} {words}" for _tone, n, words in bar if n),
    }


def _why(chunk: Chunk) -> str:
    """Why it is not on its way, in a few words."""
    if chunk.status == ChunkStatus.UNKNOWN and not chunk.reason:
        return "No answer came: ElevenLabs is asked what became of it"
    return WAITS[chunk.reason][0] if chunk.reason in WAITS else plain(chunk.reason)


def render(template: str, **context: Any) -> SafeString:
    """A partial of `templates/console/`."""
    return render_to_string(f"console/{template}.html", context)
