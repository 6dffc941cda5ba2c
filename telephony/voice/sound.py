"""Sound from one shape into another: G.711 µ-law, and sample rates by FFmpeg's resampler. Equal shapes cost nothing."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache

from integrations.elevenlabs.conversation_events import AudioFormat

Convert = Callable[[bytes], bytes]
_BIAS, _CLIP = 132, 32635


def decoder(source: AudioFormat, rate: int) -> Convert:
    """From an agent's format to 16-bit PCM at `rate`."""
    return _chain([from_ulaw] if source.encoding == "ulaw" else [], source.rate, rate, [])


def encoder(rate: int, target: AudioFormat) -> Convert:
    """From 16-bit PCM at `rate` to an agent's format."""
    return _chain([], rate, target.rate, [to_ulaw] if target.encoding == "ulaw" else [])


def _chain(before: list[Convert], rate: int, wanted: int, after: list[Convert]) -> Convert:
    steps: list[Convert] = [*before, *after]
    if rate != wanted:
        steps.insert(len(before), Resampler(rate, wanted))

    def convert(sound: bytes) -> bytes:
        for step in steps:
            sound = step(sound)
        return sound

    return convert


class Resampler:
    """One stream's sample rate changed; remembers where the last piece ended, so that pieces join without a click."""

    def __init__(self, rate: int, wanted: int) -> None:
        from av import AudioResampler  # 30 MB of FFmpeg: only for streams that need it

        self._rate = rate
        self._half = b""
        self._resampler = AudioResampler(format="s16", layout="mono", rate=wanted)

    def __call__(self, pcm: bytes) -> bytes:
        """`pcm` at the wanted rate, less what is kept back for the next piece."""
        from av import AudioFrame

        pcm = self._half + pcm
        even = len(pcm) // 2 * 2
        pcm, self._half = pcm[:even], pcm[even:]
        if not pcm:
            return b""
        frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate = self._rate
        frame.planes[0].update(pcm)
        return b"".join(bytes(part.planes[0])[: 2 * part.samples] for part in self._resampler.resample(frame))


def from_ulaw(sound: bytes) -> bytes:
    """G.711 µ-law to 16-bit PCM (ITU-T G.711, table 2a)."""
    table = _expanded()
    return array("h", [table[byte] for byte in sound]).tobytes()


def to_ulaw(pcm: bytes) -> bytes:
    """16-bit PCM to G.711 µ-law."""
    table = _compressed()
    return bytes([table[(sample >> 2) & 0x3FFF] for sample in array("h", pcm[: len(pcm) // 2 * 2])])


@cache
def _expanded() -> tuple[int, ...]:
    return tuple(_expand(~byte & 0xFF) for byte in range(256))


def _expand(bits: int) -> int:
    magnitude = ((((bits & 0x0F) << 3) + _BIAS) << ((bits >> 4) & 0x07)) - _BIAS
    return -magnitude if bits & 0x80 else magnitude


@cache
def _compressed() -> bytes:
    """The byte of each 14-bit step, negative ones from the middle on."""
    return bytes(_compress(((step ^ 0x2000) - 0x2000) << 2) for step in range(0x4000))


def _compress(sample: int) -> int:
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~((0x80 if sample < 0 else 0) | (exponent << 4) | mantissa) & 0xFF
