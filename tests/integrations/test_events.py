"""What the provider's words about a call become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.calls import CallReport, Direction, Disposition, Origin, Outcome, Phase, Turn
from integrations.elevenlabs.events import report_from_conversation, report_from_recipient, report_from_webhook
from integrations.elevenlabs.schemas import BatchRecipient
from integrations.errors import Answer, ProviderError
from tests.integrations.fixtures import load

CALL_ID = "call_01jaaaaaaaaaaaaaaaaaaaaaaa"


def failed(error: Any) -> dict[str, Any]:
    conversation: dict[str, Any] = load("conversation_done")
    conversation |= {"status": "failed", "transcript": [], "analysis": None, "has_audio": False}
    conversation["metadata"] |= {"error": error, "call_duration_secs": 0, "termination_reason": ""}
    del conversation["metadata"]["phone_call"]["call_result"]
    return conversation


def test_a_finished_conversation_is_settled_with_all_that_was_said() -> None:
    assert report_from_conversation(load("conversation_done")) == CallReport(
        phase=Phase.ENDED,
        call_id=CALL_ID,
        conversation_id="conv_done",
        outcome=Outcome.ANSWERED,
        started_at=datetime.fromtimestamp(1795000000, tz=UTC),
        duration_sec=142,
        transcript=(
            Turn(role="agent", message="Hello!", time_in_call_secs=0),
            Turn(role="user", message="Hi.", time_in_call_secs=1.2),
        ),
        summary="Customer agreed to a callback...",
        disposition=Disposition.SUCCESS,
        has_audio=True,
        settled=True,
        origin=Origin(
            direction=Direction.OUTBOUND,
            agent_id="agent_xyz",
            phone_number_id="phnum_1",
            our_number="+15550100001",
            external_number="+15550100123",
        ),
    )


def test_a_conversation_that_is_still_analysed_has_ended_but_is_not_settled() -> None:
    report = report_from_conversation(load("conversation_done") | {"status": "processing", "analysis": None})
    assert (report.phase, report.outcome, report.settled) == (Phase.ENDED, Outcome.ANSWERED, False)
    assert len(report.transcript) == 2
    assert report.disposition is None


@pytest.mark.parametrize(
    "changes", [{"call_result": None}, {"call_result": "word-of-next-year"}], ids=["no result", "an unknown one"]
)
def test_one_that_is_still_analysed_has_not_ended_where_a_mailbox_may_have_answered(changes: dict[str, Any]) -> None:
    conversation = load("conversation_done") | {"status": "processing", "analysis": None}
    conversation["metadata"]["phone_call"] |= changes
    report = report_from_conversation(conversation)
    assert (report.phase, report.outcome, len(report.transcript)) == (Phase.IN_PROGRESS, None, 2)
    conversation["metadata"]["phone_call"]["direction"] = "inbound"
    assert report_from_conversation(conversation).outcome is Outcome.ANSWERED, "who calls us is no mailbox"


def test_one_that_is_still_analysed_and_in_which_nobody_was_heard_has_not_ended() -> None:
    conversation = load("conversation_done") | {"status": "processing", "analysis": None, "transcript": []}
    conversation["metadata"] |= {"call_duration_secs": 0, "phone_call": None}
    assert report_from_conversation(conversation).phase is Phase.IN_PROGRESS


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("initiated", Phase.DISPATCHED),
        ("in-progress", Phase.IN_PROGRESS),
        ("a-status-of-next-year", Phase.DISPATCHED),
    ],
)
def test_a_living_conversation_has_no_outcome(status: str, phase: Phase) -> None:
    report = report_from_conversation(load("conversation_done") | {"status": status, "transcript": []})
    assert (report.phase, report.outcome, report.settled) == (phase, None, False)


@pytest.mark.parametrize("row", load("conversation_failures"), ids=lambda row: row["situation"])
def test_a_failed_conversation_says_how_in_our_words(row: dict[str, Any]) -> None:
    report = report_from_conversation(failed(row["error"]))
    assert (report.phase, report.account_limit, report.outcome, report.reason) == (
        Phase(row["phase"]),
        row["account_limit"],
        row["outcome"] and Outcome(row["outcome"]),
        row["reason"],
    )
    assert report.settled
    assert "+1555" not in repr(report)


def test_a_call_cut_off_for_credits_after_words_were_said_was_answered() -> None:
    conversation = load("conversation_done") | {"status": "failed", "analysis": None}
    conversation["metadata"]["error"] = {"code": 1002, "reason": "This request exceeds your quota limit."}
    report = report_from_conversation(conversation)
    assert (report.phase, report.outcome, report.reason) == (Phase.ENDED, Outcome.ANSWERED, "quota_exhausted")
    assert report.account_limit == ""


@pytest.mark.parametrize("error", [{"code": 3000, "reason": "[quota_exceeded] No credits."}, {"code": 4300}])
@pytest.mark.parametrize("sign", ["words", "time", "busy"])
def test_a_limit_never_takes_back_a_call_that_reached_the_network(error: dict[str, Any], sign: str) -> None:
    conversation = failed(error)
    if sign == "words":
        conversation["transcript"] = [{"role": "agent", "message": "Hello!", "time_in_call_secs": 0}]
    elif sign == "time":
        conversation["metadata"]["call_duration_secs"] = 3
    else:
        conversation["metadata"]["phone_call"]["call_result"] = "busy"
    assert report_from_conversation(conversation).phase is Phase.ENDED


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("busy", Outcome.BUSY),
        ("no_answer", Outcome.NO_ANSWER),
        ("voicemail", Outcome.VOICEMAIL),
        ("failed", Outcome.ERROR),
    ],
)
def test_the_carriers_result_decides_a_failed_call(result: str, outcome: Outcome) -> None:
    conversation = failed({"code": 1011, "reason": "something"})
    conversation["metadata"]["phone_call"]["call_result"] = result
    assert report_from_conversation(conversation).outcome is outcome


@pytest.mark.parametrize("found_by", ["carrier", "tool"])
def test_a_mailbox_is_voicemail(found_by: str) -> None:
    conversation = load("conversation_done")
    if found_by == "carrier":
        conversation["metadata"]["phone_call"]["call_result"] = "voicemail"
    else:
        conversation["transcript"][2]["tool_results"][0] |= {
            "tool_name": "voicemail_detection",
            "result": {"result_type": "voicemail_detection_success"},
        }
    report = report_from_conversation(conversation)
    assert (report.phase, report.outcome, report.settled) == (Phase.ENDED, Outcome.VOICEMAIL, True)


@pytest.mark.parametrize("place", ["user_id", "client_data", "variable", "recipient"])
def test_our_id_of_the_call_is_found_wherever_it_comes_back(place: str) -> None:
    conversation = load("conversation_done") | {"user_id": None, "conversation_initiation_client_data": None}
    conversation["metadata"]["batch_call"] = None
    if place == "user_id":
        conversation["user_id"] = CALL_ID
    elif place == "client_data":
        conversation["conversation_initiation_client_data"] = {"user_id": CALL_ID}
    elif place == "variable":
        conversation["conversation_initiation_client_data"] = {"dynamic_variables": {"call_id": CALL_ID}}
    else:
        conversation["metadata"]["batch_call"] = {"batch_call_id": "b", "batch_call_recipient_id": CALL_ID}
    assert report_from_conversation(conversation).call_id == CALL_ID


def test_somebody_elses_user_id_is_not_taken_for_ours() -> None:
    conversation = load("conversation_done") | {"user_id": "customer 17"}
    assert report_from_conversation(conversation).call_id == CALL_ID
    conversation |= {"conversation_initiation_client_data": None}
    conversation["metadata"]["batch_call"] = None
    assert report_from_conversation(conversation).call_id is None


@pytest.mark.parametrize("row", load("conversation_origins"), ids=lambda row: row["situation"])
def test_a_conversation_says_where_it_came_from(row: dict[str, Any]) -> None:
    conversation = load("conversation_done") | {"status": row["status"], "metadata": row["metadata"]}
    report = report_from_conversation(conversation)
    told = row["origin"]
    assert report.origin == (
        told and Origin(**{**told, "direction": Direction(told["direction"])}, agent_id="agent_xyz")
    )
    assert "+1555" not in repr(report)


def test_somebody_who_rings_rings_here() -> None:
    conversation = load("conversation_done") | {"status": "initiated"}
    assert report_from_conversation(conversation).phase is Phase.DISPATCHED
    conversation["metadata"]["phone_call"]["direction"] = "inbound"
    assert report_from_conversation(conversation).phase is Phase.RINGING


@pytest.mark.parametrize("came_by", ["phone", "browser"])
def test_who_came_to_us_and_was_refused_for_a_limit_was_not_spared_a_call(came_by: str) -> None:
    conversation = failed({"code": 3000, "reason": "[quota_exceeded] No credits."})
    conversation |= {"user_id": None, "conversation_initiation_client_data": None}
    assert report_from_conversation(conversation).phase is Phase.NOT_DIALLED
    conversation["metadata"]["batch_call"] = None
    if came_by == "phone":
        conversation["metadata"]["phone_call"]["direction"] = "inbound"
    else:
        del conversation["metadata"]["phone_call"]
    report = report_from_conversation(conversation)
    assert (report.phase, report.reason, report.account_limit) == (Phase.ENDED, "quota_exhausted", "")


@pytest.mark.parametrize("kind", ["call_initiation_failure", "post_call_audio"])
def test_an_event_without_the_conversation_does_not_say_where_it_came_from(kind: str) -> None:
    report = report_from_webhook(kind, {"agent_id": "agent_xyz", "conversation_id": "conv_1", "failure_reason": "busy"})
    assert report is not None
    assert report.origin is None


def test_what_postgresql_cannot_hold_is_left_out() -> None:
    conversation = load("conversation_done")
    conversation["metadata"]["phone_call"]["phone_number_id"] = "phnum\x00_1\ud83d"
    conversation["transcript"][0]["message"] = "Hel\x00lo \ud83d"
    conversation["analysis"]["transcript_summary"] = "\x00A summary"
    report = report_from_conversation(conversation)
    assert report.transcript[0].message == "Hello ?"
    assert report.summary == "A summary"
    assert report.origin is not None
    assert report.origin.phone_number_id == "phnum_1?"


@pytest.mark.parametrize("missing", ["conversation_id", "status"])
def test_a_conversation_without_id_or_status_is_an_error_of_ours(missing: str) -> None:
    conversation = load("conversation_done")
    del conversation[missing]
    with pytest.raises(ProviderError) as failure:
        report_from_conversation(conversation)
    assert failure.value.answer is Answer.UNKNOWN


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("user_id", "transcript", "metadata", "analysis", "has_audio", "conversation_initiation_client_data")


@settings(max_examples=100, deadline=None)
@given(
    status=st.sampled_from(["initiated", "in-progress", "processing", "done", "failed", "?"]),
    fields=st.dictionaries(st.sampled_from(FIELDS), json_values),
    metadata=st.dictionaries(
        st.sampled_from(["error", "phone_call", "batch_call", "call_duration_secs", "start_time_unix_secs"]),
        json_values,
    ),
)
def test_whatever_shape_a_conversation_has_it_never_breaks_the_reader(
    status: str, fields: dict[str, Any], metadata: dict[str, Any]
) -> None:
    conversation = {"metadata": metadata, **fields, "conversation_id": "conv_1", "status": status}
    report = report_from_conversation(conversation)
    assert (report.phase is Phase.ENDED) == (report.outcome is not None)


@pytest.mark.parametrize(
    ("status", "conversation_id", "phase", "outcome"),
    [
        ("pending", None, Phase.WAITING, None),
        ("dispatched", None, Phase.DISPATCHED, None),
        ("initiated", "conv_1", Phase.RINGING, None),
        ("in_progress", "conv_1", Phase.IN_PROGRESS, None),
        ("completed", "conv_1", Phase.ENDED, None),
        ("failed", "conv_1", Phase.ENDED, None),
        ("voicemail", "conv_1", Phase.ENDED, None),
        ("cancelled", "conv_1", Phase.ENDED, None),
        ("completed", None, Phase.ENDED, Outcome.ANSWERED),
        ("failed", None, Phase.ENDED, Outcome.ERROR),
        ("voicemail", None, Phase.ENDED, Outcome.VOICEMAIL),
        ("cancelled", None, Phase.NOT_DIALLED, None),
        ("a_status_of_next_year", None, Phase.WAITING, None),
        ("a_status_of_next_year", "conv_1", Phase.DISPATCHED, None),
    ],
)
def test_a_recipient_tells_how_far_it_is_and_leaves_the_end_to_its_conversation(
    status: str, conversation_id: str | None, phase: Phase, outcome: Outcome | None
) -> None:
    recipient = BatchRecipient(id=CALL_ID, status=status, conversation_id=conversation_id)
    report = report_from_recipient(recipient)
    assert (report.phase, report.outcome) == (phase, outcome)
    assert (report.call_id, report.conversation_id) == (CALL_ID, conversation_id)
    assert report.settled == (phase is Phase.NOT_DIALLED)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("completed", Outcome.ANSWERED), ("failed", Outcome.ERROR), ("cancelled", Outcome.CANCELLED)],
)
def test_a_recipient_whose_conversation_is_gone_ends_by_its_status(status: str, outcome: Outcome) -> None:
    recipient = BatchRecipient(id=CALL_ID, status=status, conversation_id="conv_1")
    report = report_from_recipient(recipient, conversation_gone=True)
    assert (report.phase, report.outcome, report.settled) == (Phase.ENDED, outcome, True)


def test_a_transcription_webhook_says_what_the_conversation_says() -> None:
    conversation = load("conversation_done")
    assert report_from_webhook("post_call_transcription", conversation) == report_from_conversation(conversation)


@pytest.mark.parametrize("row", load("call_initiation_failures"), ids=lambda row: row["situation"])
def test_a_call_that_could_not_be_started_says_why(row: dict[str, Any]) -> None:
    report = report_from_webhook("call_initiation_failure", row["data"])
    assert report is not None
    assert (report.outcome, report.reason) == (row["outcome"] and Outcome(row["outcome"]), row["reason"])
    assert report.phase is (Phase.ENDED if row["outcome"] else Phase.DISPATCHED)
    assert report.settled == (row["outcome"] is not None)
    assert report.conversation_id == "conv_1"


def test_an_audio_webhook_says_only_that_there_is_a_recording() -> None:
    report = report_from_webhook(
        "post_call_audio", {"agent_id": "a", "conversation_id": "conv_1", "full_audio": "/+M="}
    )
    assert report == CallReport(phase=Phase.IN_PROGRESS, conversation_id="conv_1", has_audio=True)


def test_an_event_of_another_kind_says_nothing() -> None:
    assert report_from_webhook("answering_machine_detection", {"conversation_id": "conv_1"}) is None


@pytest.mark.parametrize("kind", ["post_call_transcription", "call_initiation_failure", "post_call_audio"])
@pytest.mark.parametrize("data", [None, [], {}, {"conversation_id": 7, "status": "done"}])
def test_a_malformed_event_is_an_error_of_ours(kind: str, data: Any) -> None:
    with pytest.raises(ProviderError):
        report_from_webhook(kind, data)
