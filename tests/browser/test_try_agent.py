"""The page “Try this agent”: a browser with a microphone talks to an agent, and both are heard."""

from __future__ import annotations

import io
import wave
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import MICROPHONE_HZ
from tests.browser.test_pages import faults
from tests.simulator.helpers import eventually
from tests.stack import Stack
from tests.voice.sounds import loudness, share_of_tone
from tests.voice.test_sessions import channels

pytestmark = pytest.mark.e2e
TONES = [620, 1000, 1700]  # the agent's, one after the other, each for 250 ms
ADDRESS = "/try/1/agent_xyz"
UNPROCESSED = """
if (navigator.mediaDevices) {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = () =>
        real({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
}
"""  # a tone is noise to it
HEARD = """() => new Promise((resolve, reject) => {
    const context = new AudioContext({ sampleRate: 16000 });
    const analyser = new AnalyserNode(context, { fftSize: 32768 });
    context.createMediaStreamSource(document.getElementById("voice").srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const until = Date.now() + 30000;
    const timer = setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        const loud = samples.filter((sample) => Math.abs(sample) > 0.02).length;
        if (loud < 20000 && Date.now() < until) return;
        clearInterval(timer);
        context.close();
        if (loud < 20000) reject(new Error(`only ${loud} samples were loud`));
        resolve(Array.from(samples, (sample) => Math.round(sample * 32767)));
    }, 50);
})"""  # the last two seconds of the track, at 16 kHz, once most of it is sound


@pytest.fixture
def page(page: Page) -> Page:
    """With a microphone that leaves tones as they are."""
    page.add_init_script(UNPROCESSED)
    return page


def behave(stack: Stack, **script: Any) -> None:
    answer = requests.post(stack.simulator + "/_sim/sockets", json={"*": script}, timeout=20)
    assert answer.status_code == 200, answer.text


def test_a_browser_talks_to_an_agent_and_hears_it(page: Page, stack: Stack) -> None:
    behave(stack, tones=TONES, words_per_second=4, think_ms=50, silence_ms=300)
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
    _is_the_microphone(caller)
    _is_the_agent(agent)
    assert call["direction"] == "web"
    assert {turn["role"] for turn in call["transcript"]} == {"agent", "user"}
    sockets, conversation_id = f"{stack.simulator}/_sim/sockets", call["conversation_id"]
    seen = requests.get(sockets, params={"conversation_id": conversation_id}, timeout=20).json()
    events = seen["conversations"][0]["events"]
    assert {"user_began", "user_finished"} <= {event["what"] for event in events}
    at_agent = requests.get(f"{sockets}/{conversation_id}/heard.wav", timeout=20)
    with wave.open(io.BytesIO(at_agent.content)) as file:
        _is_the_microphone(file.readframes(file.getnframes()))
    _is_the_agent(np.array(heard, dtype="<i2").tobytes())


def _is_the_microphone(pcm: bytes) -> None:
    """Half a word of its tone at least, and nothing of the agent's. (A lost packet clicks: that is neither.)"""
    pieces = _loud(pcm)
    clear = [piece for piece in pieces if share_of_tone(piece, MICROPHONE_HZ) > 0.8]
    assert len(clear) >= 8
    assert max(share_of_tone(piece, hertz) for piece in pieces for hertz in TONES) < 0.3


def _is_the_agent(pcm: bytes) -> None:
    """Its tones, all of them, mostly in their order (an interrupted agent begins anew), and hardly anything else."""
    shares = [[share_of_tone(piece, hertz) for hertz in TONES] for piece in _loud(pcm)]
    clear = [of_it.index(max(of_it)) for of_it in shares if max(of_it) > 0.8]
    assert len(clear) > 0.6 * len(shares) > 10
    assert set(clear) == {0, 1, 2}
    steps = [(after - now) % 3 for (now, _), (after, _) in pairwise(groupby(clear))]
    assert steps.count(1) > 0.7 * len(steps)


def _loud(pcm: bytes) -> list[bytes]:
    """Pieces of 50 ms in which somebody speaks."""
    pieces = [pcm[place : place + 1600] for place in range(0, len(pcm) - 1600, 1600)]
    return [piece for piece in pieces if loudness(piece) > 500]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_can_be_used_by_everybody(page: Page, width: int) -> None:
    page.emulate_media(reduced_motion="reduce")
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
