"""Recordings: babble that follows the transcript, two voices, as a real MP3 (mono, 16 kHz)."""

from __future__ import annotations

import asyncio
import math
import random
from array import array
from collections import OrderedDict
from functools import cache

import lameenc

from .stories import Turn
from .world import Conversation

SAMPLE_RATE = 16_000
BIT_RATE_KBPS = 24
LONGEST_SECS = 120
_SYLLABLES = 12
_PITCH = {"agent": 205.0, "user": 118.0}
_VOWELS = ((730, 1090), (530, 1840), (390, 1990), (570, 840), (440, 1020), (660, 1720))


def _syllable(rng: random.Random, pitch: float) -> bytes:
    """A vowel of 110 to 210 ms: one pitch period of two damped formants, repeated, under a soft envelope."""
    low, high = rng.choice(_VOWELS)
    tone = pitch * rng.uniform(0.88, 1.16)
    period = int(SAMPLE_RATE / tone)
    wave = [
        math.exp(-n / 46) * math.sin(2 * math.pi * low * n / SAMPLE_RATE)
        + 0.6 * math.exp(-n / 30) * math.sin(2 * math.pi * high * n / SAMPLE_RATE)
        for n in range(period)
    ]
    length = int(SAMPLE_RATE * rng.uniform(0.11, 0.21))
    edge = length // 4
    samples = array("h")
    for n in range(length):
        envelope = min(1.0, n / edge, (length - n) / edge)
        samples.append(int(9000 * envelope * wave[n % period]))
    gap = int(SAMPLE_RATE * rng.uniform(0.01, 0.05))
    return samples.tobytes() + bytes(2 * gap)


@cache
def _voice(role: str) -> tuple[bytes, ...]:
    rng = random.Random(f"voice:{role}")  # noqa: S311  (a sound, not a secret)
    return tuple(_syllable(rng, _PITCH[role]) for _ in range(_SYLLABLES))


def speech(turn: Turn, secs: float) -> bytes:
    """Babble of `secs` seconds, the same for the same words."""
    rng = random.Random(turn.message)  # noqa: S311
    voice = _voice(turn.role)
    wanted = 2 * int(secs * SAMPLE_RATE)
    parts: list[bytes] = []
    have = 0
    while have < wanted:
        part = voice[rng.randrange(_SYLLABLES)] if rng.random() < 0.86 else bytes(2 * 1600)
        parts.append(part)
        have += len(part)
    return b"".join(parts)[:wanted]


def pcm(turns: list[Turn], duration_secs: int) -> bytes:
    """The whole call as 16-bit little-endian mono PCM, at most LONGEST_SECS."""
    total = 2 * SAMPLE_RATE * min(duration_secs, LONGEST_SECS)
    parts: list[bytes] = []
    have = 0
    for turn in turns:
        start = 2 * SAMPLE_RATE * turn.at
        if start >= total:
            break
        if start > have:
            parts.append(bytes(start - have))
            have = start
        spoken = speech(turn, turn.secs)
        parts.append(spoken)
        have += len(spoken)
    parts.append(bytes(max(0, total - have)))
    return b"".join(parts)[:total]


def mp3(turns: list[Turn], duration_secs: int) -> bytes:
    """The recording of a call as MP3 bytes."""
    return _encoded(pcm(turns, duration_secs))


def _encoded(sound: bytes) -> bytes:
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(BIT_RATE_KBPS)
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(1)
    encoder.set_quality(7)
    return bytes(encoder.encode(sound) + encoder.flush())


class Recordings:
    """The last recordings asked for; others are made again, byte for byte the same."""

    def __init__(self, keep: int = 200) -> None:
        self._keep = keep
        self._made: OrderedDict[str, bytes] = OrderedDict()

    async def of(self, call: Conversation) -> bytes:
        """The recording of `call`, made in a thread so that calls play on."""
        made = self._made.get(call.id)
        if made is None:
            if call.sound is not None:
                made = await asyncio.to_thread(_encoded, call.sound)
            else:
                made = await asyncio.to_thread(mp3, list(call.turns), call.duration)
            self._made[call.id] = made
            while len(self._made) > self._keep:
                self._made.popitem(last=False)
        return made
