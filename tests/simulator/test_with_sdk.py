"""The official SDK understands every answer, and finds every field that it calls required."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pydantic
import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.conversational_ai.phone_numbers import (
    PhoneNumbersCreateRequestBody_SipTrunk,
    PhoneNumbersCreateRequestBody_Twilio,
)
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import BadRequestError
from elevenlabs.types import (
    ConvAiWebhooks,
    ConversationalConfig,
    ConversationInitiationClientDataRequestInput,
    OutboundCallRecipient,
    OutboundSipTrunkConfigRequestModel,
    WebhookHmacSettings,
)

from tests.simulator.helpers import AGENT, KEY, Caller, Listener, eventually, mp3_info, numbers

ANSWERED, BUSY, VOICEMAIL = numbers(3, start=700)
NOT_IN_THE_SDK = {
    "error_type",  # seen in real answers (metadata.error), in no published model
    "background_voice_detection",  # in the OpenAPI file
    "result",  # of a system tool: the SDK takes the first of four tool result models
}


@pytest.fixture
def sdk(sim: Caller) -> Iterator[ElevenLabs]:
    with httpx.Client(timeout=10, verify=False) as client:
        yield ElevenLabs(api_key=KEY, base_url=sim.url, httpx_client=client)


def gaps(value: Any, path: str = "") -> list[str]:
    """Where an answer lacks what the SDK's model requires, or says what no model knows."""
    if isinstance(value, list):
        return [gap for index, item in enumerate(value) for gap in gaps(item, f"{path}[{index}]")]
    if isinstance(value, dict):
        return [gap for key, item in value.items() for gap in gaps(item, f"{path}.{key}")]
    if not isinstance(value, pydantic.BaseModel):
        return []
    where = path or type(value).__name__
    found = [f"{where}.{name} is unknown" for name in set(value.model_extra or {}) - NOT_IN_THE_SDK]
    for name, field in type(value).model_fields.items():
        if field.is_required() and name not in value.model_fields_set:
            found.append(f"{where}.{name} is missing")
        found += gaps(getattr(value, name, None), f"{where}.{name}")
    return found


def whole(answer: Any) -> Any:
    """`answer`, once it is known to be complete."""
    assert gaps(answer) == []
    return answer


def recipients(*called: str) -> list[OutboundCallRecipient]:
    return [
        OutboundCallRecipient(
            id=f"call_{index}",
            phone_number=number,
            conversation_initiation_client_data=ConversationInitiationClientDataRequestInput(
                user_id=f"call_{index}", dynamic_variables={"name": "Ada"}
            ),
        )
        for index, number in enumerate(called)
    ]


def test_gaps_are_seen() -> None:
    answer = WebhookHmacSettings.construct(name="x", surprise=1)
    assert gaps(answer) == ["WebhookHmacSettings.surprise is unknown", "WebhookHmacSettings.webhook_url is missing"]


def test_the_account(sdk: ElevenLabs) -> None:
    assert whole(sdk.user.get()).seat_type == "workspace_admin"
    subscription = whole(sdk.user.subscription.get())
    assert (subscription.tier, subscription.status) == ("enterprise", "active")


def test_agents(sdk: ElevenLabs) -> None:
    agents = sdk.conversational_ai.agents
    first = whole(agents.list(page_size=2))
    second = whole(agents.list(page_size=2, cursor=first.next_cursor))
    assert (first.has_more, second.has_more, second.next_cursor) == (True, False, None)
    assert AGENT in {item.agent_id for item in [*first.agents, *second.agents]}
    agent = whole(agents.get(AGENT))
    assert agent.conversation_config.agent.prompt.prompt
    assert agent.conversation_config.tts.voice_id
    assert agent.platform_settings.guardrails.prompt_injection.is_enabled
    assert {tool.name for tool in agent.conversation_config.agent.prompt.tools} >= {"end_call", "book_appointment"}
    created = whole(agents.create(name="Fresh", conversation_config=ConversationalConfig())).agent_id
    assert whole(agents.get(created)).conversation_config.agent.prompt.llm == "gemini-2.5-flash"
    assert whole(agents.update(created, name="Renamed")).name == "Renamed"
    assert [item.agent_id for item in whole(agents.list(search="renamed")).agents] == [created]
    agents.delete(created)
    with pytest.raises(ApiError) as refused:
        agents.get(created)
    assert refused.value.status_code == 404


def test_phone_numbers(sdk: ElevenLabs) -> None:
    phone_numbers = sdk.conversational_ai.phone_numbers
    trunk = OutboundSipTrunkConfigRequestModel(address="sip.example.com")
    sip = phone_numbers.create(
        request=PhoneNumbersCreateRequestBody_SipTrunk(
            phone_number="+15550100121", label="Trunk", outbound_trunk_config=trunk
        )
    )
    twilio = phone_numbers.create(
        request=PhoneNumbersCreateRequestBody_Twilio(
            phone_number="+15550100122", label="Twilio", sid="AC1", token="t", agent_id=AGENT
        )
    )
    shown = whole(phone_numbers.get(twilio.phone_number_id))
    assert (shown.provider, shown.assigned_agent.agent_id) == ("twilio", AGENT)
    assert whole(phone_numbers.update(sip.phone_number_id, agent_id=AGENT)).assigned_agent.agent_id == AGENT
    assert len(whole(phone_numbers.list())) == 3
    assert [item.label for item in whole(phone_numbers.list(provider="twilio"))] == ["Twilio"]
    page = whole(phone_numbers.list_v_2(page_size=2, search="t"))
    assert [item.label for item in page.phone_numbers] == ["Twilio", "Trunk"]
    assert len(whole(sdk.conversational_ai.agents.get(AGENT)).phone_numbers) == 2
    phone_numbers.delete(sip.phone_number_id)
    assert len(phone_numbers.list()) == 2


def test_a_batch_from_submit_to_recording(sdk: ElevenLabs, sim: Caller) -> None:
    api = sdk.conversational_ai
    sim.script(
        **{
            ANSWERED: {"outcome": "answered", "result": "success", "talk_secs": 30},
            BUSY: {"outcome": "busy"},
            VOICEMAIL: {"outcome": "voicemail"},
        }
    )
    submitted = whole(
        api.batch_calls.create(
            call_name="chunk-1",
            agent_id=AGENT,
            agent_phone_number_id=sim.sip_number_id(),
            recipients=recipients(ANSWERED, BUSY, VOICEMAIL),
            target_concurrency_limit=3,
        )
    )
    assert submitted.name == "chunk-1"
    assert [batch.id for batch in whole(api.batch_calls.list()).batch_calls] == [submitted.id]
    sim.finished(submitted.id)
    batch = whole(api.batch_calls.get(submitted.id))
    assert [(one.id, one.status) for one in batch.recipients] == [
        ("call_0", "completed"),
        ("call_1", "failed"),
        ("call_2", "voicemail"),
    ]
    for one in batch.recipients:
        sim.settled(str(one.conversation_id))
        whole(api.conversations.get(str(one.conversation_id)))
    listed = whole(api.conversations.list(user_id="call_0", summary_mode="include")).conversations
    assert [(item.status, item.call_successful) for item in listed] == [("done", "success")]
    found = api.conversations.get(listed[0].conversation_id)
    assert found.metadata.batch_call is not None
    assert found.metadata.batch_call.batch_call_recipient_id == "call_0"
    assert found.analysis is not None
    assert found.analysis.call_summary_title
    recording = b"".join(api.conversations.audio.get(found.conversation_id))
    assert abs(mp3_info(recording).length - 30) < 1


def test_a_batch_is_cancelled_retried_and_deleted(sdk: ElevenLabs, sim: Caller) -> None:
    batch_calls = sdk.conversational_ai.batch_calls
    batch_id = sim.submit([ANSWERED])
    sim.finished(batch_id)
    assert whole(batch_calls.cancel(batch_id)).status == "completed"
    assert whole(batch_calls.retry(batch_id)).retry_count == 1
    batch_calls.delete(batch_id)
    assert whole(batch_calls.list()).batch_calls == []


def test_single_calls(sdk: ElevenLabs, sim: Caller) -> None:
    api = sdk.conversational_ai
    sim.script(**{"*": {"outcome": "stuck", "ring_secs": 0}})
    sip = whole(
        api.sip_trunk.outbound_call(agent_id=AGENT, agent_phone_number_id=sim.sip_number_id(), to_number=ANSWERED)
    )
    twilio_number = api.phone_numbers.create(
        request=PhoneNumbersCreateRequestBody_Twilio(phone_number="+15550100123", label="T", sid="AC1", token="t")
    )
    twilio = whole(
        api.twilio.outbound_call(
            agent_id=AGENT, agent_phone_number_id=twilio_number.phone_number_id, to_number=ANSWERED
        )
    )
    assert sip.success
    assert twilio.success
    live = [whole(api.conversations.get(str(placed.conversation_id))) for placed in (sip, twilio)]
    kinds = [found.metadata.phone_call.type for found in live if found.metadata.phone_call is not None]
    assert kinds == ["sip_trunking", "twilio"]
    assert whole(api.analytics.live_count.get()).count == 2
    signed = whole(api.conversations.get_signed_url(agent_id=AGENT)).signed_url
    assert signed.startswith(f"ws://{sim.url.removeprefix('http://')}/v1/convai/conversation?agent_id={AGENT}&")


def test_webhooks_are_accepted_by_construct_event(sdk: ElevenLabs, sim: Caller, listener: Listener) -> None:
    settings = WebhookHmacSettings(name="ours", webhook_url=listener.url)
    created = whole(sdk.webhooks.create(settings=settings))
    webhooks = ConvAiWebhooks(post_call_webhook_id=created.webhook_id, events=["transcript"])
    whole(sdk.conversational_ai.settings.update(webhooks=webhooks))
    assert whole(sdk.conversational_ai.settings.get()).webhooks.post_call_webhook_id == created.webhook_id
    assert whole(sdk.webhooks.list(include_usages=True)).webhooks[0].usage[0].usage_type == "ConvAI Settings"
    sim.script(**{ANSWERED: {"outcome": "answered"}})
    placed = sim.call(ANSWERED)
    heard = eventually(lambda: listener.heard)[0]
    signature = heard.headers["elevenlabs-signature"]
    secret = str(created.webhook_secret)
    event = sdk.webhooks.construct_event(heard.body.decode(), signature, secret)
    assert event == json.loads(heard.body)
    assert event["type"] == "post_call_transcription"
    assert event["data"]["conversation_id"] == placed["conversation_id"]
    with pytest.raises(BadRequestError):
        sdk.webhooks.construct_event(heard.body.decode() + " ", signature, secret)
    whole(sdk.webhooks.update(created.webhook_id, is_disabled=True, name="ours"))
    whole(sdk.webhooks.delete(created.webhook_id))
