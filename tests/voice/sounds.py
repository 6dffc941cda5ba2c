"""Sounds that tests can tell apart: tones, and how much of a tone is in what was heard."""

from __future__ import annotations

import math
from array import array


def tone(hertz: float, secs: float, *, rate: int = 16000, loudness: int = 8000) -> bytes:
    """16-bit PCM."""
    step = 2 * math.pi * hertz / rate
    return array("h", [int(loudness * math.sin(step * n)) for n in range(int(secs * rate))]).tobytes()


def share_of_tone(pcm: bytes, hertz: float, *, rate: int = 16000) -> float:
    """How much of the power of `pcm` is at `hertz`, 0..1 (Goertzel over pieces of 50 ms, the loudest half of them)."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    size = rate // 20
    shares = []
    for start in range(0, len(samples) - size + 1, size):
        piece = samples[start : start + size]
        power = sum(each * each for each in piece)
        shares.append((power, _power_at(piece, hertz, rate) / power if power else 0.0))
    loud = sorted(shares, reverse=True)[: max(1, len(shares) // 2)]
    return sum(share for _, share in loud) / len(loud) if shares else 0.0


def loudness(pcm: bytes) -> float:
    """The mean of the absolute values."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    return sum(map(abs, samples)) / len(samples) if samples else 0.0


def _power_at(samples: array[int], hertz: float, rate: int) -> float:
    factor = 2 * math.cos(2 * math.pi * hertz / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    return (last * last + before * before - factor * last * before) * 2 / len(samples)
