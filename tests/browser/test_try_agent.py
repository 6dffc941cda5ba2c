"""The page “Try this agent”: a browser with a microphone talks to an agent, and both are heard."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.conftest import chromium
from tests.browser.test_pages import faults
from tests.simulator.helpers import eventually
from tests.stack import Stack
from tests.voice.sounds import loudness, share_of_tone, tone
from tests.voice.test_sessions import channels

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]
MICROPHONE_HZ = 440
RATE = 48000
ADDRESS = "/try/1/agent_xyz"
UNPROCESSED = """
if (navigator.mediaDevices) {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = () =>
        real({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
}
"""  # a tone is noise to it
HEARD = """() => new Promise((resolve) => {
    const context = new AudioContext({ sampleRate: 16000 });
    const analyser = new AnalyserNode(context, { fftSize: 32768 });
    context.createMediaStreamSource(document.getElementById("voice").srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        if (samples.filter((sample) => Math.abs(sample) > 0.02).length < 4000) return;
        clearInterval(timer);
        context.close();
        resolve(Array.from(samples, (sample) => Math.round(sample * 32767)));
    }, 50);
})"""  # the last two seconds of the track, at 16 kHz, once there is enough to be known by


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who says one word every two seconds."""
    path = tmp_path_factory.mktemp("microphone") / "word.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * RATE) + tone(MICROPHONE_HZ, 0.8, rate=RATE) + bytes(RATE * 2 * 6 // 5))
    return path


@pytest.fixture
def page(browser: Browser, login: StorageState, stack: Stack, microphone: Path) -> Iterator[Page]:
    """A browser of its own, that has a microphone and is allowed to use it."""
    fakes = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox"]
    sound = [f"--use-file-for-fake-audio-capture={microphone}", "--autoplay-policy=no-user-gesture-required"]
    own = browser.browser_type.launch(executable_path=chromium(), args=[*fakes, *sound])
    context = own.new_context(base_url=stack.address, storage_state=login, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    context.add_init_script(UNPROCESSED)
    said: list[str] = []
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield context.new_page()
    context.close()
    own.close()
    assert not said


def behave(stack: Stack, **script: Any) -> None:
    answer = requests.post(stack.simulator + "/_sim/sockets", json={"*": script}, timeout=20)
    assert answer.status_code == 200, answer.text


def test_a_browser_talks_to_an_agent_and_hears_it(page: Page, stack: Stack) -> None:
    behave(stack, words_per_second=4, think_ms=50, silence_ms=300)
    page.goto(ADDRESS)
    page.get_by_role("button", name="Call the agent").click()
    said = page.locator("#said")
    expect(said.locator("li.agent").first).not_to_be_empty()
    heard = page.evaluate(HEARD)
    expect(said.locator("li.user").first).not_to_be_empty()
    expect(page.locator("#state")).to_have_text("In progress")
    call_id = page.locator("main").get_attribute("data-call")
    page.get_by_role("button", name="Mute").click()
    expect(page.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#state")).to_have_text("Answered")
    recording = page.locator("#recording")
    expect(recording).to_be_visible()
    eventually(lambda: (recording.evaluate("audio => audio.duration") or 0) > 1)
    recording.evaluate("audio => audio.play()")
    eventually(lambda: recording.evaluate("audio => audio.currentTime") > 0.3)
    _both_are_heard(stack, str(call_id), heard)


def _both_are_heard(stack: Stack, call_id: str, heard: list[int]) -> None:
    """The microphone by its tone, at the agent and in our recording; the agent at the browser and on its channel."""
    call = stack.get(f"/telephony/journal/call/{call_id}")
    caller, agent = channels(stack.request("GET", f"/webcall/audio/{call_id}.mp3").content)
    assert share_of_tone(_loud(caller), MICROPHONE_HZ) > 0.8
    assert loudness(agent) > 50
    assert share_of_tone(_loud(agent), MICROPHONE_HZ) < 0.5
    assert call["direction"] == "web"
    assert {turn["role"] for turn in call["transcript"]} == {"agent", "user"}
    sockets, conversation_id = f"{stack.simulator}/_sim/sockets", call["conversation_id"]
    seen = requests.get(sockets, params={"conversation_id": conversation_id}, timeout=20).json()
    events = seen["conversations"][0]["events"]
    assert {"user_began", "user_finished"} <= {event["what"] for event in events}
    at_agent = requests.get(f"{sockets}/{conversation_id}/heard.wav", timeout=20)
    with wave.open(io.BytesIO(at_agent.content)) as file:
        assert share_of_tone(_loud(file.readframes(file.getnframes())), MICROPHONE_HZ) > 0.8
    assert loudness(np.array(heard, dtype="<i2").tobytes()) > 50  # the agent, at the browser


def _loud(pcm: bytes) -> bytes:
    """The part of it where somebody speaks."""
    pieces = [pcm[place : place + 1600] for place in range(0, len(pcm) - 1600, 1600)]
    return b"".join(piece for piece in pieces if loudness(piece) > 500)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_can_be_used_by_everybody(page: Page, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(ADDRESS)
    expect(page.get_by_role("button", name="Call the agent")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not faults(page)


def test_without_a_microphone_the_page_says_what_to_do(page: Page) -> None:
    page.add_init_script(
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = "
        "() => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    page.goto(ADDRESS)
    page.get_by_role("button", name="Call the agent").click()
    expect(page.get_by_role("alert")).to_contain_text("not allowed to use the microphone")
    expect(page.get_by_role("button", name="Call the agent")).to_be_enabled()
