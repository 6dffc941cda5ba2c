"""Dial rows and the row of their PBX: handed over, taken, written. Whoever has lost the PBX can write nothing.

Locks: the PBX's link first, then dial rows, then what `apply_reports` locks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from aispinner.core.rows import update_rows
from integrations.errors import Reason
from telephony.dialer.records import stop_runs, take_in
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, Chunk, ChunkStatus, Dial, DialStatus, PbxLink, RunStatus
from telephony.models.call import TERMINAL
from telephony.voice.bridges import has_room, live_bridges
from telephony.voice.lines.told import ON_THE_PBX, OPEN, end_unseen, report_of, withdraw

FIELDS = (
    "status", "session", "dialled_at", "rang_at", "answered_at", "ended_at", "machine", "cause", "tech_cause",
    "outcome", "reason",
)  # fmt: skip
SILENT_AFTER = timedelta(seconds=10)
ANALYSED_IN = timedelta(seconds=3)  # after its end, a conversation is likely to be analysed


class LostHoldError(Exception):
    """Another process holds the PBX by now: what we know of its calls is not ours to write."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A row that was just taken, and what to dial."""

    dial: Dial
    call_id: str
    number: str = field(repr=False)
    workspace_id: int


# --- The link -------------------------------------------------------------------------------------


def link_up(account_id: int, *, session: str, login: str, version: str) -> None:
    """The event socket `session` is up: from now on whoever held the PBX before can write nothing."""
    now = timezone.now()
    fields = {"session": session, "login": login, "version": version, "problem": "", "since": now, "seen_at": now}
    PbxLink.objects.update_or_create(account_id=account_id, defaults=fields)


def link_down(account_id: int, *, session: str, problem: Reason) -> None:
    """The socket `session` (empty: none was up) is gone, or did not come up; someone else's stays as it is."""
    now = timezone.now()
    fields = {"session": "", "problem": problem.value, "since": now, "seen_at": now}
    if not PbxLink.objects.filter(account_id=account_id, session__in=["", session]).update(**fields):
        PbxLink.objects.get_or_create(account_id=account_id, defaults=fields)


def sign_of_life(account_id: int, *, session: str) -> None:
    """LostHoldError where another session has come up."""
    if not PbxLink.objects.filter(account_id=account_id, session=session).update(seen_at=timezone.now()):
        raise LostHoldError


def why_not(account_id: int, *, login: str) -> Reason | None:
    """Why calls cannot be handed over to this PBX now; None where they can."""
    link = PbxLink.objects.filter(account_id=account_id).first()
    if link is not None and not link.session and link.problem:
        return Reason(link.problem)
    if link is None or not link.session or link.seen_at < timezone.now() - SILENT_AFTER:
        return Reason.PBX_DOWN
    if link.login != login:
        return Reason.PBX_REFUSED
    return None if live_bridges().filter(stopping=False).exists() else Reason.BRIDGE_DOWN


# --- Rows, handed over and taken back --------------------------------------------------------------


def hand_over(*, account_id: int, provider_id: str, calls: Sequence[int]) -> None:
    """Give these calls to the PBX's holder: all or none; given twice, they are there once."""
    now = timezone.now()
    rows = [Dial(call_id=pk, account_id=account_id, provider_id=provider_id, created_at=now) for pk in calls]
    Dial.objects.bulk_create(rows, ignore_conflicts=True)


def take_back(calls: Collection[str]) -> None:
    """Withdraw those of these calls (by our id) that nobody has taken yet."""
    waiting = Dial.objects.filter(call__call_id__in=calls, status=DialStatus.WAITING)
    waiting.update(status=DialStatus.WITHDRAWN, ended_at=timezone.now())


def want_hung_up(calls: Collection[str]) -> None:
    """Have those of these calls that are on the PBX hung up by its holder."""
    up = Dial.objects.filter(call__call_id__in=calls, status__in=ON_THE_PBX, hangup_at=None)
    up.update(hangup_at=timezone.now())


# --- The holder's -----------------------------------------------------------------------------------


def free_places() -> int:
    """Conversations that the bridges could still take, were every call that is out there answered."""
    on_their_way = Dial.objects.filter(status__in=ON_THE_PBX, call__voice_session=None, call__ended_at=None)
    return has_room() - on_their_way.count()


def take(account_id: int, *, session: str, most: Mapping[tuple[int, str], int]) -> list[Taken]:
    """Take up to so many rows of each provider (workspace, id), oldest first, and write that they are being dialled."""
    if not most or not Dial.objects.filter(account=account_id, status=DialStatus.WAITING).exists():
        return []
    room = free_places()
    now = timezone.now()
    taken: list[Taken] = []
    with transaction.atomic():
        _hold(account_id, session)
        for (workspace_id, provider_id), count in most.items():
            of_provider = Q(call__workspace=workspace_id, provider_id=provider_id)
            taken += _waiting(account_id, of_provider, most=min(count, room - len(taken)))
        for each in taken:
            each.dial.status, each.dial.session, each.dial.dialled_at = DialStatus.DIALING, session, now
        _write([each.dial for each in taken], now=now)
    return taken


def _waiting(account_id: int, of_provider: Q, *, most: int) -> list[Taken]:
    """Nothing of a campaign that is stopping: its rows are about to be taken back."""
    if most <= 0:
        return []
    rows = Dial.objects.select_for_update(no_key=True, of=("self",), skip_locked=True).filter(
        of_provider, account=account_id, status=DialStatus.WAITING, call__run__status=RunStatus.RUNNING
    )
    return [
        Taken(
            dial=dial,
            call_id=dial.call.call_id,
            number=dial.call.subscriber_phone,
            workspace_id=dial.call.workspace_id,
        )
        for dial in rows.filter(call__ended_at=None).select_related("call").order_by("call_id")[:most]
    ]


def give_back(account_id: int, *, session: str, but: Collection[int]) -> None:
    """Withdraw what was taken over this socket and, unlike these calls (pk), never placed: nobody was told of it."""
    now = timezone.now()
    with transaction.atomic():
        _hold(account_id, session)
        taken = Dial.objects.filter(account=account_id, session=session, status=DialStatus.DIALING)
        dials = list(taken.exclude(pk__in=but))
        for dial in dials:
            withdraw(dial, now=now)
        _write(dials, now=now)


def write(account_id: int, *, session: str, dials: Sequence[Dial], stops: Mapping[int, Reason]) -> None:
    """Write these rows and what they say of their calls; `stops` are reasons, by call pk, to stop their campaigns."""
    now = timezone.now()
    with transaction.atomic():
        _hold(account_id, session)
        limits = dict(_write(dials, now=now))
    # Afterwards: chunks are locked before counters, and in there the counters were ours already.
    _have_followed([dial.pk for dial in dials if dial.status == DialStatus.ENDED], now=now)
    if stops:
        runs = dict(Call.objects.filter(pk__in=stops).values_list("pk", "run_id"))
        limits |= {run_id: stops[pk].value for pk, run_id in runs.items() if run_id is not None}
    stop_runs(limits, now=now)


def _have_followed(calls: Sequence[int], *, now: datetime) -> None:
    """What ElevenLabs has to tell of calls that are over is asked for soon, not at the next slow look."""
    soon = now + ANALYSED_IN
    chunks = Chunk.objects.filter(calls__in=calls, calls__settled_at=None, status=ChunkStatus.DIALING, next_at__gt=soon)
    Chunk.objects.filter(pk__in=list(chunks.values_list("pk", flat=True))).update(next_at=soon)


def _hold(account_id: int, session: str) -> None:
    held = PbxLink.objects.select_for_update(no_key=True).filter(account_id=account_id, session=session)
    if not held.exists():
        raise LostHoldError


def _write(dials: Sequence[Dial], *, now: datetime) -> Mapping[int, str]:
    update_rows(dials, FIELDS)
    return apply_reports({dial.pk: report_of(dial) for dial in dials}, now=now)


def open_dials(account_id: int) -> dict[str, Dial]:
    """What is on the PBX by all we know, by call id."""
    rows = Dial.objects.filter(account=account_id, status__in=ON_THE_PBX).select_related("call")
    return {dial.call.call_id: dial for dial in rows}


def to_hang_up(account_id: int) -> dict[str, datetime | None]:
    """Calls that are on the PBX and should not be: we were asked to end them, or they have ended by all others know."""
    rows = Dial.objects.filter(account=account_id, status__in=ON_THE_PBX)
    rows = rows.filter(Q(hangup_at__isnull=False) | Q(call__status__in=TERMINAL))
    return dict(rows.values_list("call__call_id", "hangup_at"))


def give_up(account_id: int, *, session: str) -> None:
    """We are deaf for good: end what is on the PBX by what was seen of it, and withdraw what waits."""
    dials, now = list(Dial.objects.filter(account=account_id, status__in=OPEN)), timezone.now()
    for dial in dials:
        if dial.status == DialStatus.WAITING:
            withdraw(dial, reason=Reason.PBX_TAKEN.value, now=now)
        else:
            end_unseen(dial, now=now)
    write(account_id, session=session, dials=dials, stops={})


def known(account_id: int, calls: Collection[str]) -> set[str]:
    """Those of these ids that are calls which were handed over to this PBX, whatever became of them."""
    rows = Dial.objects.filter(account=account_id, call__call_id__in=calls)
    return set(rows.values_list("call__call_id", flat=True))


def refuse_unknown(account_id: int, *, providers: Collection[tuple[int, str]]) -> None:
    """Withdraw rows whose provider is in no settings any more: nobody will ever take them."""
    now = timezone.now()
    waiting = Dial.objects.filter(account=account_id, status=DialStatus.WAITING).select_related("call")
    orphans = [dial for dial in waiting if (dial.call.workspace_id, dial.provider_id) not in providers]
    for dial in orphans:
        withdraw(dial, reason=Reason.PBX_MISSING.value, now=now)
        moved: Any = Dial.objects.filter(pk=dial.pk, status=DialStatus.WAITING)
        if moved.update(status=dial.status, reason=dial.reason, ended_at=now):
            take_in({dial.pk: report_of(dial)}, now=now)
