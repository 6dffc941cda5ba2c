"""The client against the simulator: every endpoint it uses, and whole calls read as reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.calls import CallReport, Outcome, Phase
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.events import report_from_conversation, report_from_recipient
from integrations.elevenlabs.schemas import Batch, OutgoingRecipient
from integrations.errors import Answer, ProviderError, Reason
from tests.integrations.conftest import Sim

NUMBER = "+15550100123"
CALL_ID = "call_01jaaaaaaaaaaaaaaaaaaaaaaa"


def number_id(client: ElevenLabsClient) -> str:
    return client.list_phone_numbers()[0].id


def submit(client: ElevenLabsClient, *numbers: str) -> Batch:
    recipients = [
        OutgoingRecipient(
            id=f"{CALL_ID[:-2]}{place:02}",
            phone_number=number,
            user_id=f"{CALL_ID[:-2]}{place:02}",
            dynamic_variables={"name": "Ada", "company": "Northwind", "call_id": f"{CALL_ID[:-2]}{place:02}"},
        )
        for place, number in enumerate(numbers)
    ]
    return client.submit_batch(
        call_name="chnk_1",
        agent_id="agent_xyz",
        agent_phone_number_id=number_id(client),
        recipients=recipients,
        target_concurrency_limit=len(recipients),
    )


def until(what: Callable[[], Any]) -> Any:
    """What `what` returns once it returns something."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen within 20 seconds")


def settled(client: ElevenLabsClient, batch: Batch) -> list[CallReport]:
    """The reports of all the batch's recipients, once nothing more comes."""

    def look() -> list[CallReport] | None:
        reports = []
        for recipient in client.get_batch(batch.id).recipients:
            report = report_from_recipient(recipient)
            if report.phase is Phase.ENDED and recipient.conversation_id:
                report = report_from_conversation(client.get_conversation(recipient.conversation_id))
            reports.append(report)
        return reports if all(report.settled for report in reports) else None

    found: list[CallReport] = until(look)
    return found


def test_a_key_tells_its_account_and_what_the_account_holds(sim: Sim, wired: ElevenLabsClient) -> None:
    info = wired.account()
    assert info.external_id
    assert info.tier == wired.subscription().tier
    assert ElevenLabsClient(api_key="sk_acct_other_1").account().external_id != info.external_id
    assert "agent_xyz" in [agent.id for agent in wired.list_agents()]
    assert wired.get_agent("agent_xyz")["conversation_config"]
    assert wired.signed_url("agent_xyz").startswith(("ws://", "wss://"))
    assert wired.live_count() == 0


def test_a_refused_key_and_unknown_things_are_told_apart(sim: Sim, wired: ElevenLabsClient) -> None:
    for act, reason in (
        (ElevenLabsClient(api_key="sk_invalid_1").account, Reason.KEY_REFUSED),
        (lambda: wired.get_agent("agent_nowhere"), Reason.AGENT_MISSING),
        (lambda: wired.get_phone_number("phnum_nowhere"), Reason.NUMBER_MISSING),
        (lambda: wired.get_batch("btcal_nowhere"), Reason.NOT_FOUND),
        (lambda: wired.get_conversation("conv_nowhere"), Reason.NOT_FOUND),
    ):
        with pytest.raises(ProviderError) as failure:
            act()
        assert (failure.value.answer, failure.value.reason) == (Answer.REFUSED, reason)


def test_numbers_are_created_on_both_carriers_and_answered_by_an_agent(sim: Sim, wired: ElevenLabsClient) -> None:
    twilio = wired.create_twilio_number(phone_number="+15550100201", label="T", sid="ACxxxxxxxx", token="secret")
    trunk = wired.create_sip_number(
        phone_number="+15550100202", label="S", address="sip.example.org:5070", username="me", password="secret"
    )
    wired.assign_agent(trunk, "agent_xyz")
    found = {number.id: number for number in wired.list_phone_numbers()}
    assert (found[twilio].provider, found[twilio].phone_number) == ("twilio", "+15550100201")
    assert (found[trunk].provider, found[trunk].sip_address, found[trunk].sip_username) == (
        "sip_trunk",
        "sip.example.org:5070",
        "me",
    )
    assert (found[twilio].agent_id, found[trunk].agent_id) == ("", "agent_xyz")
    wired.assign_agent(trunk, None)
    assert wired.get_phone_number(trunk).agent_id == ""


@pytest.mark.parametrize(
    ("ordered", "phase", "outcome"),
    [
        ("answered", Phase.ENDED, Outcome.ANSWERED),
        ("voicemail", Phase.ENDED, Outcome.VOICEMAIL),
        ("no_answer", Phase.ENDED, Outcome.NO_ANSWER),
        ("busy", Phase.ENDED, Outcome.BUSY),
        ("out_of_credits", Phase.NOT_DIALLED, None),
        ("daily_limit", Phase.NOT_DIALLED, None),
        ("credits_mid_call", Phase.ENDED, Outcome.ANSWERED),
    ],
)
def test_a_call_is_read_as_it_was_played(
    sim: Sim, wired: ElevenLabsClient, ordered: str, phase: Phase, outcome: Outcome | None
) -> None:
    sim.control("script", {NUMBER: {"outcome": ordered}})
    (report,) = settled(wired, submit(wired, NUMBER))
    assert (report.phase, report.outcome) == (phase, outcome)
    assert report.call_id == CALL_ID[:-2] + "00"
    assert bool(report.transcript) == (outcome in {Outcome.ANSWERED, Outcome.VOICEMAIL})
    placed = sim.get("/_sim/ledger")["entries"]
    assert bool(placed) == (phase is Phase.ENDED)


def test_a_recording_is_mp3(sim: Sim, wired: ElevenLabsClient) -> None:
    sim.control("script", {NUMBER: {"outcome": "answered"}})
    (report,) = settled(wired, submit(wired, NUMBER))
    assert report.conversation_id
    assert report.has_audio
    audio = b"".join(wired.conversation_audio(report.conversation_id))
    assert audio[:3] == b"ID3" or audio[0] == 0xFF
    assert len(audio) > 1000


def test_a_submission_that_was_accepted_before_it_broke_is_unknown_and_is_found_again(
    sim: Sim, wired: ElevenLabsClient
) -> None:
    sim.fault("internal_error", endpoint="batch_calling.submit", when="after", times=1)
    sim.control("script", {NUMBER: {"outcome": "answered"}})
    with pytest.raises(ProviderError) as failure:
        submit(wired, NUMBER)
    assert failure.value.answer is Answer.UNKNOWN
    (batch,) = wired.list_batches(agent_id="agent_xyz")
    assert batch.name == "chnk_1"
    settled(wired, batch)
    (found,) = wired.list_conversations(user_id=CALL_ID[:-2] + "00")
    assert found.status == "done"


def test_the_webhook_settings_are_read_and_set(sim: Sim, wired: ElevenLabsClient) -> None:
    webhook = wired.create_webhook(name="Ours", url="http://127.0.0.1:1/webhooks/elevenlabs/hook_1")
    assert webhook.secret
    assert webhook.secret not in repr(webhook)
    wired.have_webhook_retried(webhook)
    (listed,) = wired.list_webhooks()
    assert (listed.id, listed.url, listed.secret) == (webhook.id, webhook.url, "")
    wired.patch_convai_settings({"webhooks": {"post_call_webhook_id": webhook.id, "events": ["transcript"]}})
    assert wired.get_convai_settings()["webhooks"]["post_call_webhook_id"] == webhook.id


def test_a_cancelled_batch_leaves_undialled_recipients_not_dialled(sim: Sim, wired: ElevenLabsClient) -> None:
    sim.control("reset", {"concurrency": 1, "speed": 1})
    numbers = [f"+155501002{place:02}" for place in range(3)]
    batch = submit(wired, *numbers)
    wired.cancel_batch(batch.id)
    phases = [report_from_recipient(recipient).phase for recipient in wired.get_batch(batch.id).recipients]
    assert sorted(phases) == sorted([Phase.DISPATCHED, Phase.NOT_DIALLED, Phase.NOT_DIALLED])
    sim.control("reset", {"concurrency": 200, "speed": 5000})
