"""The agents' conversation socket, driven by the official SDK."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator

import httpx
import pytest
from elevenlabs.client import ElevenLabs

from tests.simulator.helpers import AGENT, KEY, Caller, eventually
from tests.simulator.talking import (
    behave,
    tone,
)
from tests.simulator.test_with_sdk import gaps

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK names a class that websockets is about to drop
    from elevenlabs.conversational_ai.conversation import AudioInterface, ConversationInitiationData
    from elevenlabs.conversational_ai.conversation import Conversation as SdkConversation

pytestmark = pytest.mark.usefixtures("quick")


class Headset(AudioInterface):
    """What the SDK plays, and a microphone that a test speaks into."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.interruptions = 0
        self.speak: Callable[[bytes], None] = lambda _pcm: None
        self.on = threading.Event()

    def start(self, input_callback: Callable[[bytes], None]) -> None:
        self.speak = input_callback
        self.on.set()

    def stop(self) -> None:
        self.on.clear()

    def output(self, audio: bytes) -> None:
        self.played.append(audio)

    def interrupt(self) -> None:
        self.interruptions += 1


@pytest.fixture
def sdk(sim: Caller) -> Iterator[ElevenLabs]:
    with httpx.Client(timeout=10, verify=False) as client:
        yield ElevenLabs(api_key=KEY, base_url=sim.url, httpx_client=client)


@pytest.mark.parametrize("requires_auth", [True, False])
def test_the_official_sdk_holds_a_conversation(sdk: ElevenLabs, sim: Caller, requires_auth: bool) -> None:
    behave(sim, words_per_second=8, hears=["One moment."], replies=["Certainly."])
    headset, pinged = Headset(), list[int]()
    heard, said, corrected = list[str](), list[str](), list[str]()
    talk = SdkConversation(
        sdk,
        AGENT,
        user_id="ada",
        requires_auth=requires_auth,
        audio_interface=headset,
        config=ConversationInitiationData(dynamic_variables={"name": "Ada"}),
        callback_agent_response=said.append,
        callback_user_transcript=heard.append,
        callback_agent_response_correction=lambda _original, now: corrected.append(now),
        callback_latency_measurement=pinged.append,
    )
    talk.start_session()  # type: ignore[no-untyped-call]
    assert headset.on.wait(3)
    eventually(lambda: len(headset.played) >= 2)
    headset.speak(tone(0.25) + bytes(6400))
    eventually(lambda: said[1:] == ["Certainly."])
    eventually(lambda: pinged)
    talk.send_user_message("Thanks.")
    eventually(lambda: len(said) == 3)
    talk.end_session()  # type: ignore[no-untyped-call]
    conversation_id = str(talk.wait_for_session_end())
    assert heard == ["One moment."]
    assert headset.interruptions >= 1
    assert said[0].startswith(corrected[0])
    assert len(headset.played[0]) == 8000
    sim.settled(conversation_id)
    found = sdk.conversational_ai.conversations.get(conversation_id)
    assert gaps(found) == []
    assert found.metadata.conversation_initiation_source == "python_sdk"
    listed = sdk.conversational_ai.conversations.list(user_id="ada")
    assert gaps(listed) == []
    assert [item.conversation_id for item in listed.conversations] == [conversation_id]


def test_the_official_sdk_chats_without_sound(sdk: ElevenLabs, sim: Caller) -> None:
    said: list[str] = []
    talk = SdkConversation(sdk, AGENT, requires_auth=True, callback_agent_response=said.append)
    talk.start_session()  # type: ignore[no-untyped-call]
    eventually(lambda: said)
    talk.send_user_message("Hello.")
    eventually(lambda: len(said) == 2)
    talk.end_session()  # type: ignore[no-untyped-call]
    conversation_id = str(talk.wait_for_session_end())
    found = sim.settled(conversation_id)
    assert (found["metadata"]["text_only"], found["has_audio"]) == (True, False)
