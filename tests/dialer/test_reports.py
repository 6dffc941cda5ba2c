"""What providers report, written once: events, versions and totals, whatever comes late, twice or in another order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from django.utils import timezone

from integrations.calls import CallReport, Disposition, Outcome, Phase, Turn
from telephony.dialer.chunks import _is_news
from telephony.dialer.claims import claim
from telephony.dialer.ledger import DayTurnedError, take_numbers
from telephony.dialer.orders import calls_of
from telephony.dialer.records import NOT_DIALLED, record_submission, take_in
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Chunk, JournalTotal, RecipientStatus, Run, RunStatus
from tests.bells import Bells
from tests.dialer.truth import check_rows
from tests.factories import make_key, make_run, make_workspace

pytestmark = pytest.mark.django_db
STARTED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WORDS = (Turn(role="agent", message="Hello, this is Ava.", time_in_call_secs=0),)
MORE_WORDS = (*WORDS, Turn(role="user", message="Grüß Gott 👋", time_in_call_secs=2.5))


def up(phase: Phase, **more: Any) -> CallReport:
    return CallReport(phase=phase, **more)


def ended(outcome: Outcome = Outcome.ANSWERED, **more: Any) -> CallReport:
    return CallReport(phase=Phase.ENDED, outcome=outcome, **more)


PROCESSING = ended(duration_sec=30, transcript=WORDS, conversation_id="conv_1")
SETTLED = ended(
    duration_sec=31,
    transcript=MORE_WORDS,
    summary="They agreed.",
    disposition=Disposition.SUCCESS,
    has_audio=True,
    settled=True,
    conversation_id="conv_1",
)
LIFE = (
    up(Phase.DISPATCHED),
    up(Phase.RINGING, conversation_id="conv_1"),
    up(Phase.IN_PROGRESS, conversation_id="conv_1"),
    PROCESSING,
    SETTLED,
)


def dialling(size: int = 1, **fields: Any) -> list[Call]:
    """The calls of a chunk that has been submitted, in the order of the list."""
    numbers = [f"+1555010{place:04}" for place in range(size)]
    run = make_run(workspace=make_workspace(), numbers=numbers, max_concurrent=size, **fields)
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    return list(run.calls.order_by("pk"))


def tell(call: Call, *reports: CallReport) -> Call:
    for report in reports:
        apply_reports({call.pk: report}, now=timezone.now())
    call.refresh_from_db()
    return call


def told(call: Call) -> list[str]:
    """The call's events, a change of status by its status."""
    events = CallEvent.objects.filter(call=call).order_by("pk")
    return [event.data.get("status", event.type) for event in events]


def final(call: Call) -> dict[str, Any]:
    """All of a row that does not say when."""
    call.refresh_from_db()
    names = ("status", "outcome", "reason", "disposition", "conversation_id", "duration_sec", "summary", "transcript")
    row: dict[str, Any] = {name: getattr(call, name) for name in names}
    assert call.recipient is not None
    call.recipient.refresh_from_db()
    return row | {"has_audio": call.has_audio, "recipient": call.recipient.status, "settled": bool(call.settled_at)}


def test_a_call_goes_through_its_life_and_each_step_is_told() -> None:
    [call] = dialling()
    tell(call, *LIFE)
    assert told(call) == [
        "queued", "dialing", "ringing", "conversation", "in_progress", "done", "transcript",
        "transcript", "summary", "disposition", "audio", "settled",
    ]  # fmt: skip
    assert final(call) == {
        "status": "done",
        "outcome": "answered",
        "reason": "",
        "disposition": "success",
        "conversation_id": "conv_1",
        "duration_sec": 31,
        "summary": "They agreed.",
        "transcript": call.transcript,
        "has_audio": True,
        "recipient": "success",
        "settled": True,
    }
    assert orjson.loads(call.transcript)[1] == {
        "role": "user",
        "message": "Grüß Gott 👋",
        "time_in_call_secs": 2.5,
    }
    check_rows()


def test_every_order_of_reports_gives_the_same_row() -> None:
    rows = []
    for order in permutations(LIFE[1:]):
        [call] = dialling()
        tell(call, *order, order[0])
        rows.append(final(call))
    assert all(row == rows[0] for row in rows)
    assert rows[0]["transcript"] == orjson.dumps(
        [{"role": t.role, "message": t.message, "time_in_call_secs": t.time_in_call_secs} for t in MORE_WORDS]
    ).decode().replace(":0}", ":0}")
    check_rows()


def test_the_first_end_is_the_end() -> None:
    ends = (ended(Outcome.BUSY, reason="sip_486"), ended(Outcome.NO_ANSWER), SETTLED, NOT_DIALLED)
    for first in ends:
        [call] = dialling()
        tell(call, first)
        status, outcome, reason, at = call.status, call.outcome, call.reason, call.ended_at
        recipient = final(call)["recipient"]
        tell(call, *ends, *LIFE)
        assert (call.status, call.outcome, call.reason, call.ended_at) == (status, outcome, reason, at)
        assert final(call)["recipient"] == recipient
    check_rows()


def test_a_report_that_says_nothing_new_changes_nothing() -> None:
    [call] = dialling()
    tell(call, *LIFE)
    version, events = call.version, CallEvent.objects.count()
    tell(call, *LIFE, *reversed(LIFE))
    assert (call.version, CallEvent.objects.count()) == (version, events)


def test_versions_grow_with_every_change_and_stand_for_moments() -> None:
    [call] = dialling()
    assert call.run is not None
    seen = []
    for report in LIFE:
        tell(call, report)
        call.run.progress.refresh_from_db()
        seen += [call.version, call.run.progress.version]
    assert seen == sorted(seen)
    events = list(CallEvent.objects.order_by("pk"))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert call.pk < seen[0]


@pytest.mark.parametrize(
    ("outcome", "status", "fate"),
    [
        (Outcome.ANSWERED, "done", "success"),
        (Outcome.VOICEMAIL, "done", "success"),
        *((outcome, "failed", "failed") for outcome in Outcome if outcome not in {Outcome.ANSWERED, Outcome.VOICEMAIL}),
        (None, "failed", "failed"),
    ],
)
def test_the_outcome_decides_where_call_and_recipient_end(outcome: Outcome | None, status: str, fate: str) -> None:
    [call] = dialling()
    tell(call, CallReport(phase=Phase.ENDED, outcome=outcome))
    row = final(call)
    assert (row["status"], row["outcome"], row["recipient"]) == (status, outcome or Outcome.ERROR, fate)
    check_rows()


def test_what_arrives_after_the_end_is_attached_and_counted() -> None:
    [call] = dialling()
    tell(call, ended(Outcome.ANSWERED, duration_sec=3))
    assert (call.duration_sec, call.settled_at) == (3, None)
    tell(call, ended(duration_sec=40, transcript=WORDS))
    tell(call, up(Phase.IN_PROGRESS, has_audio=True))
    tell(call, SETTLED)
    assert (call.duration_sec, call.has_audio, call.summary) == (40, True, "They agreed.")
    assert call.run is not None
    call.run.progress.refresh_from_db()
    assert call.run.progress.total_duration_sec == 40
    check_rows()


def test_a_duration_alone_is_a_change_worth_telling() -> None:
    [call] = dialling()
    tell(call, up(Phase.IN_PROGRESS))
    tell(call, up(Phase.IN_PROGRESS, duration_sec=12))
    assert told(call)[-1] == "duration"
    check_rows()


def test_an_older_look_does_not_overwrite_what_settled_a_call() -> None:
    [call] = dialling()
    tell(call, SETTLED)
    row = final(call)
    tell(call, ended(transcript=WORDS, summary="Half of it.", disposition=Disposition.FAILURE))
    assert final(call) == row


def test_a_transcript_that_comes_after_a_call_was_given_up_is_still_kept() -> None:
    [call] = dialling()
    tell(call, ended(Outcome.ERROR, reason="lost_sight", settled=True))
    tell(call, PROCESSING)
    assert orjson.loads(call.transcript)[0]["message"] == "Hello, this is Ava."
    tell(call, SETTLED)
    assert (len(orjson.loads(call.transcript)), call.status) == (2, "failed")
    check_rows()


def test_a_conversation_that_belongs_to_another_call_is_not_taken_from_it() -> None:
    one, other = dialling(2)
    tell(one, up(Phase.RINGING, conversation_id="conv_1"))
    tell(other, up(Phase.RINGING, conversation_id="conv_1"))
    assert (one.conversation_id, other.conversation_id, other.status) == ("conv_1", None, "ringing")
    tell(other, up(Phase.IN_PROGRESS, conversation_id="conv_2"))
    tell(other, up(Phase.IN_PROGRESS, conversation_id="conv_3"))
    assert other.conversation_id == "conv_2"


def test_two_calls_told_the_same_conversation_at_once_are_both_written() -> None:
    one, other = dialling(2)
    same = ended(conversation_id="conv_1", duration_sec=5, settled=True)
    apply_reports({one.pk: same, other.pk: same}, now=timezone.now())
    one.refresh_from_db()
    other.refresh_from_db()
    assert [one.status, other.status] == ["done", "done"]
    assert [one.conversation_id, other.conversation_id] == ["conv_1", None]
    check_rows()


def test_the_same_conversation_id_at_another_account_is_another_conversation() -> None:
    [one], [other] = dialling(), dialling()
    tell(one, up(Phase.RINGING, conversation_id="conv_1"))
    tell(other, up(Phase.RINGING, conversation_id="conv_1"))
    assert one.conversation_id == other.conversation_id == "conv_1"


@pytest.mark.parametrize("so_far", [(), LIFE[:1], LIFE[:2]])
def test_a_call_that_was_not_dialled_gives_its_number_back(so_far: tuple[CallReport, ...]) -> None:
    [call] = dialling()
    tell(call, *so_far, NOT_DIALLED)
    row = final(call)
    assert (row["status"], row["outcome"], row["reason"]) == ("cancelled", "cancelled", "not_dialled")
    assert row["recipient"] == RecipientStatus.PENDING
    assert call.run is not None
    call.run.progress.refresh_from_db()
    assert (call.run.progress.pending, call.run.progress.child_count) == (1, 0)
    check_rows()


def test_a_call_that_was_answered_is_not_given_back_whatever_is_said_later() -> None:
    [call] = dialling()
    tell(call, up(Phase.IN_PROGRESS), NOT_DIALLED)
    assert (final(call)["status"], final(call)["recipient"]) == ("failed", "failed")
    check_rows()


def test_a_number_of_a_cancelled_run_is_not_pending_again() -> None:
    [call] = dialling()
    Run.objects.update(status=RunStatus.CANCELLED)
    tell(call, NOT_DIALLED)
    assert final(call)["recipient"] == RecipientStatus.CANCELLED
    check_rows()


def test_a_number_that_was_given_back_is_dialled_by_a_call_of_its_own(bells: Bells) -> None:
    [call] = dialling()
    tell(call, NOT_DIALLED)
    assert call.run is not None
    assert isinstance(claim(call.run.pk, now=timezone.now()), int)
    again = call.run.calls.exclude(pk=call.pk).get()
    assert (again.recipient, again.pk > call.pk) == (call.recipient, True)
    tell(call, SETTLED)  # what comes late for the first changes neither
    assert [call.status, call.transcript, call.duration_sec] == ["cancelled", "[]", 0]
    check_rows()


@pytest.mark.parametrize("limit", ["quota_exhausted", "daily_limit"])
def test_a_limit_of_the_account_stops_the_run_with_that_reason(bells: Bells, limit: str) -> None:
    calls = dialling(3)
    stopped = CallReport(phase=Phase.NOT_DIALLED, reason=limit, account_limit=limit, settled=True)
    assert apply_reports({calls[0].pk: stopped}, now=timezone.now()) == {calls[0].run_id: limit}
    take_in({calls[1].pk: stopped, calls[2].pk: SETTLED}, now=timezone.now())
    run = Run.objects.get()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSING, limit)
    assert (run.account.exhausted_at is not None) == (limit == "quota_exhausted")
    assert apply_reports({calls[1].pk: stopped}, now=timezone.now()) == {}, "said twice, it stops a resumed run again"
    check_rows()


def test_a_chunk_claimed_across_midnight_is_counted_on_the_day_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DayTurnedError):
        take_numbers(1, counted_on=timezone.now().date() - timedelta(days=1))
    clock = [timezone.now() - timedelta(days=1)]  # it was still yesterday when the calls were counted, the first time
    clock_of_claims = SimpleNamespace(now=lambda: clock.pop() if clock else timezone.now())
    monkeypatch.setattr("telephony.dialer.claims.timezone", clock_of_claims)
    dialling(2)
    assert not clock
    days = set(JournalTotal.objects.values_list("day", flat=True))
    assert days == {datetime.now(tz=UTC).date(), None}
    check_rows()


def test_a_call_outside_any_campaign_is_written_like_any_other() -> None:
    [template] = dialling()
    call = Call.objects.create(
        pk=10**9,
        version=10**9,
        workspace=template.workspace,
        account=make_key(workspace=template.workspace).account,
        direction="inbound",
        created_at=timezone.now(),
    )
    tell(call, *LIFE)
    assert (call.status, call.duration_sec) == ("done", 31)


def test_times_are_the_providers_where_it_tells_them() -> None:
    [call] = dialling()
    tell(call, up(Phase.IN_PROGRESS, started_at=STARTED))
    assert (call.dispatched_at, call.answered_at) == (STARTED, STARTED)
    tell(call, SETTLED)
    assert call.ended_at is not None
    assert timezone.now() - call.ended_at < timedelta(seconds=30)


def test_freed_lines_ring_for_their_run_and_all_that_share_the_account(bells: Bells) -> None:
    [call] = dialling()
    assert call.run is not None
    neighbour = make_run(workspace=call.workspace, key=call.run.api_key)
    stranger = make_run(workspace=make_workspace())
    resting = make_run(workspace=call.workspace, key=call.run.api_key, status=RunStatus.PAUSED)
    bells.clear()
    tell(call, ended())
    rung = {bell.args[0] for bell in bells.rung if bell.name.endswith("advance_run")}
    assert rung == {call.run.pk, neighbour.pk}
    assert not rung & {stranger.pk, resting.pk}


def test_the_last_settled_call_has_its_chunk_closed_at_once(bells: Bells) -> None:
    one, other = dialling(2)
    Chunk.objects.update(next_at=timezone.now() + timedelta(hours=1))
    bells.clear()
    tell(one, SETTLED)
    assert "telephony.tasks.advance_chunk" not in bells.names()
    tell(other, ended(settled=True))
    assert "telephony.tasks.advance_chunk" in bells.names()
    bells.answer("telephony.tasks.advance_chunk")
    assert Chunk.objects.get().status == "done"
    check_rows()


def test_a_look_is_news_where_it_changes_something() -> None:
    for known in (up(Phase.DISPATCHED), *LIFE[1:3]):
        call = tell(dialling()[0], known)
        chunk = Chunk.objects.get(calls=call)
        for told in LIFE[:3]:
            before = (call.version, CallEvent.objects.count())
            [looked_at] = calls_of(chunk)
            call = tell(call, told)
            assert _is_news(looked_at, told) == ((call.version, CallEvent.objects.count()) != before)
        assert _is_news(calls_of(chunk)[0], PROCESSING)
