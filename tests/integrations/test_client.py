"""The client against answers that are told: classification, paging, what goes out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.schemas import OutgoingRecipient
from integrations.errors import Answer, ProviderError, Reason
from tests.integrations.fixtures import load
from tests.integrations.wire import Reply, Wire

BATCH = {
    "id": "btcal_1",
    "name": "chnk_1",
    "agent_id": "agent_xyz",
    "status": "pending",
    "created_at_unix": 1795000000,
    "a_new_field": [],
}
RECIPIENT = OutgoingRecipient(
    id="call_1", phone_number="+15550100123", user_id="call_1", dynamic_variables={"call_id": "call_1", "name": "Ada"}
)


def submit(client: ElevenLabsClient) -> Any:
    return client.submit_batch(
        call_name="chnk_1",
        agent_id="agent_xyz",
        agent_phone_number_id="phnum_1",
        recipients=[RECIPIENT],
        target_concurrency_limit=1,
    )


def failure(act: Callable[[], Any]) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        act()
    return failed.value


@pytest.mark.parametrize("row", load("error_bodies"), ids=lambda row: row["situation"])
def test_every_error_body_means_one_of_three_things(wire: Wire, wired: ElevenLabsClient, row: dict[str, Any]) -> None:
    wire.answers(Reply(status=row["status"], body=row["body"]))
    error = failure(lambda: submit(wired))
    assert (error.answer, error.reason, error.status) == (Answer(row["answer"]), Reason(row["reason"]), row["status"])
    assert len(wire.asked) == 1
    message = (row["body"] or {}).get("detail")
    message = message.get("message", "") if isinstance(message, dict) else ""
    assert not message or message not in repr(vars(error)) + str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 301])
def test_a_get_that_fails_there_may_be_asked_again(wire: Wire, wired: ElevenLabsClient, status: int) -> None:
    wire.answers(Reply(status=status))
    assert failure(lambda: wired.get_batch("btcal_1")).answer is Answer.NOT_DONE


def test_an_error_keeps_the_machine_words_and_the_request_id_and_the_wait(wire: Wire, wired: ElevenLabsClient) -> None:
    body = {"detail": {"type": "rate_limit_error", "code": "system_busy", "status": "system_busy", "request_id": "r1"}}
    wire.answers(Reply(status=429, body=body, headers={"Retry-After": "3"}))
    error = failure(lambda: submit(wired))
    assert (error.code, error.request_id, error.retry_after) == ("system_busy", "r1", timedelta(seconds=3))


def test_words_that_are_no_machine_words_are_not_kept(wire: Wire, wired: ElevenLabsClient) -> None:
    detail = {"type": "call to +15550100123", "code": "X" * 5, "status": "a b", "request_id": "+1555 <script>"}
    wire.answers(Reply(status=400, body={"detail": detail}))
    error = failure(lambda: submit(wired))
    assert (error.code, error.request_id, error.reason) == ("", "", Reason.INVALID)


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ([["body", "recipients", 3, "phone_number"], ["body", "recipients", 0, "id"]], (0, 3)),
        ([["body", "recipients", 3, "phone_number"], ["body", "agent_id"]], ()),
        ([["body", "recipients"]], ()),
        (["nonsense"], ()),
    ],
)
def test_refused_recipients_are_named_where_only_they_are_to_blame(
    wire: Wire, wired: ElevenLabsClient, places: list[Any], named: tuple[int, ...]
) -> None:
    wire.answers(Reply(status=422, body={"detail": [{"loc": loc, "msg": "bad", "type": "x"} for loc in places]}))
    assert failure(lambda: submit(wired)).refused_recipients == named


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        [],
        {},
        {"id": "btcal_1"},
        {**BATCH, "id": None},
        {**BATCH, "created_at_unix": "yesterday"},
        {**BATCH, "recipients": [1]},
    ],
)
def test_a_yes_that_cannot_be_read_leaves_a_submission_unknown(wire: Wire, wired: ElevenLabsClient, body: Any) -> None:
    wire.answers(Reply(body=body))
    assert failure(lambda: submit(wired)).answer is Answer.UNKNOWN


def test_a_submission_carries_our_ids_three_times(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(Reply(body=BATCH))
    batch = submit(wired)
    assert (batch.id, batch.name, batch.created_at) == ("btcal_1", "chnk_1", datetime.fromtimestamp(1795000000, tz=UTC))
    (asked,) = wire.asked
    assert asked.headers["xi-api-key"] == "sk_test_0001"
    assert (asked.method, asked.path) == ("POST", "/v1/convai/batch-calling/submit")
    assert asked.body == {
        "call_name": "chnk_1",
        "agent_id": "agent_xyz",
        "agent_phone_number_id": "phnum_1",
        "recipients": [
            {
                "id": "call_1",
                "phone_number": "+15550100123",
                "conversation_initiation_client_data": {
                    "user_id": "call_1",
                    "dynamic_variables": {"call_id": "call_1", "name": "Ada"},
                },
            }
        ],
        "target_concurrency_limit": 1,
    }


def page(*ages: int, more: str | None = None) -> Reply:
    batches = [{**BATCH, "id": f"b{age}", "created_at_unix": 1795000000 - age} for age in ages]
    return Reply(body={"batch_calls": batches, "next_doc": more, "has_more": more is not None})


def test_batches_are_paged_to_the_end(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(page(0, 1, more="d1"), page(2, more="d2"), page(3))
    assert [batch.id for batch in wired.list_batches(agent_id="agent_xyz")] == ["b0", "b1", "b2", "b3"]
    assert [asked.query.get("last_doc") for asked in wire.asked] == [None, ["d1"], ["d2"]]


def test_batches_older_than_asked_for_are_left_unread_where_they_come_in_order(
    wire: Wire, wired: ElevenLabsClient
) -> None:
    wire.answers(page(0, 50, 9000, more="d1"), page(9001))
    until = datetime.fromtimestamp(1795000000 - 100, tz=UTC)
    assert [batch.id for batch in wired.list_batches(agent_id="agent_xyz", until=until)] == ["b0", "b50"]
    assert len(wire.asked) == 1


@pytest.mark.parametrize("first", [page(9001, 9000, more="d1"), page(9001, more="d1"), page(9000, 9000, more="d1")])
def test_batches_that_do_not_come_newest_first_are_read_to_the_end(
    wire: Wire, wired: ElevenLabsClient, first: Reply
) -> None:
    wire.answers(first, page(50))
    until = datetime.fromtimestamp(1795000000 - 100, tz=UTC)
    assert [batch.id for batch in wired.list_batches(agent_id="agent_xyz", until=until)] == ["b50"]


def test_pages_that_go_round_in_a_circle_or_lack_their_cursor_are_an_error_and_not_an_end(
    wire: Wire, wired: ElevenLabsClient
) -> None:
    wire.answers(page(0, more="d1"), page(1, more="d1"))
    assert failure(lambda: list(wired.list_batches(agent_id="a"))).reason is Reason.INVALID
    wire.answers(Reply(body={"batch_calls": [], "next_doc": None, "has_more": True}))
    assert failure(lambda: list(wired.list_batches(agent_id="a"))).reason is Reason.INVALID


def test_conversations_are_looked_for_by_our_id(wire: Wire, wired: ElevenLabsClient) -> None:
    line = {"conversation_id": "conv_1", "agent_id": "a", "status": "in-progress", "call_duration_secs": 0}
    wire.answers(Reply(body={"conversations": [line], "has_more": False, "next_cursor": None}))
    (found,) = wired.list_conversations(user_id="call_1", started_after=datetime.fromtimestamp(1795000000.5, tz=UTC))
    assert (found.conversation_id, found.status) == ("conv_1", "in-progress")
    assert wire.asked[0].query == {
        "page_size": ["100"],
        "user_id": ["call_1"],
        "call_start_after_unix": ["1795000000"],
    }


def test_conversations_of_some_statuses_are_left_out(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(Reply(body={"conversations": [], "has_more": False, "next_cursor": None}))
    assert list(wired.list_conversations(without=("initiated", "done"))) == []
    assert wire.asked[0].query == {"page_size": ["100"], "exclude_statuses": ["initiated", "done"]}


def test_an_id_cannot_climb_out_of_its_place_in_the_path(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(Reply(body=BATCH))
    wired.get_batch("../../v1/user?x=")
    assert wire.asked[0].path == "/v1/convai/batch-calling/..%2F..%2Fv1%2Fuser%3Fx%3D"


def test_a_key_that_may_not_ask_whose_it_is_is_known_by_its_digest(wire: Wire, wired: ElevenLabsClient) -> None:
    refused = Reply(status=401, body={"detail": {"status": "missing_permissions", "message": "user_read"}})
    agents = Reply(body={"agents": [], "has_more": False, "next_cursor": None})
    wire.answers(refused, agents)
    info = wired.account()
    assert info.external_id.startswith("key_")
    assert "sk_" not in info.external_id
    wire.answers(refused, agents)
    assert wired.account() == info


@pytest.mark.parametrize(
    ("user", "external_id"),
    [({"user_id": "u1"}, "u1"), ({"user_id": "u1", "workspace_id": "w1", "subscription": {"tier": "pro"}}, "w1")],
)
def test_an_account_is_its_workspace_else_its_user(
    wire: Wire, wired: ElevenLabsClient, user: dict[str, Any], external_id: str
) -> None:
    wire.answers(Reply(body=user))
    assert wired.account().external_id == external_id


def test_a_recording_comes_in_pieces_and_a_missing_one_is_an_error(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(Reply(body=b"ID3" * 50_000, headers={"Content-Type": "audio/mpeg"}))
    assert b"".join(wired.conversation_audio("conv_1")) == b"ID3" * 50_000
    wire.answers(Reply(status=404, body={"detail": {"type": "not_found", "code": "conversation_not_found"}}))
    assert failure(lambda: list(wired.conversation_audio("conv_1"))).reason is Reason.NOT_FOUND


def test_half_a_character_does_not_make_an_answer_unreadable(wire: Wire, wired: ElevenLabsClient) -> None:
    wire.answers(Reply(body=b'{"conversation_id": "conv_1", "status": "done", "transcript": [{"message": "\\ud83d"}]}'))
    assert wired.get_conversation("conv_1")["status"] == "done"


@pytest.mark.parametrize("body", [{"success": "yes"}, {}, []])
def test_a_single_call_whose_answer_cannot_be_read_is_unknown(wire: Wire, wired: ElevenLabsClient, body: Any) -> None:
    wire.answers(Reply(body=body))
    error = failure(
        lambda: wired.outbound_call(carrier="twilio", agent_id="a", agent_phone_number_id="p", recipient=RECIPIENT)
    )
    assert error.answer is Answer.UNKNOWN
