"""Sounds to be told apart by machine: tones, something like speech, and what is in a piece of audio.

All audio is 16-bit little-endian mono PCM.
"""

from __future__ import annotations

import math
import random
from array import array
from functools import lru_cache

FRAME_MS = 20
_LOUD = 250.0  # mean of the absolute samples; speech lies in the thousands, a quiet line below a hundred
_LOOP_SECS = 4


def frame_size(rate: int) -> int:
    """Bytes of 20 ms."""
    return 2 * rate * FRAME_MS // 1000


def silence(rate: int) -> bytes:
    return bytes(frame_size(rate))


@lru_cache(maxsize=64)
def tone(hz: int, rate: int) -> bytes:
    """One second of a sine that loops without a seam."""
    return array("h", (int(9000 * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate))).tobytes()


@lru_cache(maxsize=64)
def speech(voice: int, rate: int) -> bytes:
    """Four seconds of syllables, the same for the same voice: a buzz of harmonics that swells and fades."""
    rng = random.Random(voice)  # noqa: S311  (a sound, not a secret)
    pitch = rng.uniform(95.0, 230.0)
    samples = array("h")
    while len(samples) < _LOOP_SECS * rate:
        length, gap = int(rate * rng.uniform(0.12, 0.22)), int(rate * rng.uniform(0.01, 0.05))
        base = 2 * math.pi * pitch * rng.uniform(0.9, 1.15) / rate
        for n in range(length):
            swell = math.sin(math.pi * n / length)
            wave_at = sum(math.sin(base * k * n) / k for k in (1, 2, 3, 5, 8))
            samples.append(int(6000 * swell * wave_at))
        samples.extend(array("h", bytes(2 * gap)))
    return samples[: _LOOP_SECS * rate].tobytes()


def piece(loop: bytes, at_ms: int, rate: int) -> bytes:
    """20 ms of `loop`, which starts anew at its end."""
    size = frame_size(rate)
    start = (at_ms // FRAME_MS * size) % len(loop)
    found = loop[start : start + size]
    return found if len(found) == size else found + loop[: size - len(found)]


def samples_of(pcm: bytes) -> array[int]:
    samples = array("h")
    samples.frombytes(pcm[: len(pcm) // 2 * 2])
    return samples


def is_loud(pcm: bytes) -> bool:
    """Whether somebody is to be heard, from every third sample (no common tone hides between them)."""
    samples = samples_of(pcm)[::3]
    return bool(samples) and sum(map(abs, samples)) / len(samples) > _LOUD


def at_rate(pcm: bytes, rate: int, wanted: int) -> bytes:
    """The same at another rate, by taking or repeating the nearest samples."""
    if rate == wanted:
        return pcm
    samples = samples_of(pcm)
    if rate == 2 * wanted:
        return samples[::2].tobytes()
    return array("h", (samples[n * rate // wanted] for n in range(len(samples) * wanted // rate))).tobytes()


def mixed(frames: list[bytes], rate: int) -> bytes:
    """The sum of frames of 20 ms, cut at 16 bit."""
    if not frames:
        return silence(rate)
    if len(frames) == 1:
        return frames[0]
    columns = zip(*(samples_of(frame) for frame in frames), strict=False)
    return array("h", (max(-32768, min(32767, sum(column))) for column in columns)).tobytes()


def share_of(pcm: bytes, rate: int, hz: float) -> float:
    """How much of the sound is a tone of `hz`: 0 to 1 (Goertzel over pieces of 20 ms, by energy)."""
    samples, size = samples_of(pcm), rate // 50
    factor = 2 * math.cos(2 * math.pi * hz / rate)
    found = whole = 0.0
    for start in range(0, len(samples) - size + 1, size):
        one = two = 0.0
        for sample in samples[start : start + size]:
            one, two = sample + factor * one - two, one
            whole += sample * sample
        found += (one * one + two * two - factor * one * two) * 2 / size
    return 0.0 if whole == 0 else min(1.0, found / whole)
