"""How the things that calls go through are: keys and their accounts, the server's own processes, PBXs and bridges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from redis.exceptions import RedisError

from aispinner.core import heartbeat
from aispinner.core.admin_html import ago, badge, when
from integrations.account_words import credits_words
from integrations.models import Account, ElevenLabsKey, KeyStatus
from telephony.models import PbxLink, RunProgress, VoiceBridge
from telephony.voice.bridges import SILENT_AFTER

KEYS_SHOWN = 6
HOLDER_SILENT_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)  # a bridge that is silent for so long was taken away


@dataclass(frozen=True, kw_only=True)
class Process:
    """A part of the server, and its last sign of life."""

    name: str
    is_alive: bool
    words: str


def lines_in_use(accounts: list[int]) -> dict[int, int]:
    """Calls that are up, by account."""
    busy = RunProgress.objects.filter(run__account__in=accounts, in_flight__gt=0).order_by()
    return dict(busy.values_list("run__account").annotate(Sum("in_flight")))


def keys(seen: QuerySet[ElevenLabsKey]) -> list[dict[str, Any]]:
    """Keys as rows: refused ones first, then the newest."""
    rows = list(seen.select_related("account", "workspace").order_by("status", "-pk")[:KEYS_SHOWN])
    lines = lines_in_use([key.account_id for key in rows])
    return [
        {
            "key": key,
            "url": reverse("admin:integrations_elevenlabskey_change", args=(key.pk,)),
            "badge": badge(key.get_status_display(), "ok" if key.status == KeyStatus.WORKING else "bad"),
            "lines": lines.get(key.account_id, 0),
            "limit": key.account.concurrency_limit,
            "width": min(lines.get(key.account_id, 0) * 100 // key.account.concurrency_limit, 100),
            "checked": when(key.checked_at, empty="never"),
            "credits": credits_words(key.account),
        }
        for key in rows
    ]


def processes() -> list[Process]:
    """Worker and beat, by the signs that they leave; and the broker, which keeps these."""
    found = []
    for name, words in (("worker", "Worker"), ("beat", "Beat")):
        try:
            age = heartbeat.age(name)
        except RedisError:
            return [Process(name="Broker", is_alive=False, words="does not answer")]
        alive = age is not None and age <= heartbeat.ALIVE_WITHIN
        found.append(Process(name=words, is_alive=alive, words=_age_words(age)))
    return found


def bridges(now: datetime) -> list[Process]:
    """The voice bridges of Custom Voice and WebCall."""
    rows = VoiceBridge.objects.filter(seen_at__gt=now - FORGOTTEN_AFTER).order_by("-seen_at")
    rows = rows.annotate(open=Count("sessions", filter=Q(sessions__ended_at=None)))
    return [
        Process(
            name=f"Voice bridge {bridge.pk[-6:]}",
            is_alive=now - bridge.seen_at < SILENT_AFTER,
            words=f"{bridge.open} of {bridge.capacity} conversations"
            + (", stopping" if bridge.stopping else "")
            + ("" if now - bridge.seen_at < SILENT_AFTER else f", silent since {ago(bridge.seen_at)}"),
        )
        for bridge in rows
    ]


def pbxs(accounts: QuerySet[Account], now: datetime) -> list[Process]:
    """The PBXs that are held over ARI."""
    links = PbxLink.objects.filter(account__in=accounts).select_related("account").order_by("pk")
    return [
        Process(
            name=f"PBX {link.account.external_id}",
            is_alive=bool(link.session) and now - link.seen_at < HOLDER_SILENT_AFTER,
            words=_link_words(link, now),
        )
        for link in links
    ]


def _link_words(link: PbxLink, now: datetime) -> str:
    if now - link.seen_at >= HOLDER_SILENT_AFTER:
        return f"nobody holds it; last sign {ago(link.seen_at)}"
    if not link.session:
        return f"not connected{f' ({link.problem})' if link.problem else ''}, since {ago(link.since)}"
    return f"connected{f' (Asterisk {link.version})' if link.version else ''}, since {ago(link.since)}"


def _age_words(age: float | None) -> str:
    if age is None:
        return "no sign of life"
    return f"last sign {ago(timezone.now() - timedelta(seconds=age))}"
