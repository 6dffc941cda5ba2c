"""Live audio: the formats of the conversation socket, speech in each of them, and the track to be recorded."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from functools import cache, lru_cache

from .audio import LONGEST_SECS, SAMPLE_RATE, speech
from .stories import Turn

PIECE_SECS = 0.25
_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
_BIAS, _CLIP = 132, 32635
_TONE_PEAK = 8000


@dataclass(frozen=True)
class Format:
    """How samples travel: 16-bit little-endian mono PCM at `rate`, or G.711 µ-law."""

    name: str
    rate: int
    ulaw: bool

    @property
    def bytes_per_second(self) -> int:
        return self.rate if self.ulaw else 2 * self.rate


FORMATS = {
    **{f"pcm_{rate}": Format(name=f"pcm_{rate}", rate=rate, ulaw=False) for rate in _RATES},
    "ulaw_8000": Format(name="ulaw_8000", rate=8000, ulaw=True),
}


def _ulaw_byte(sample: int) -> int:
    """ITU-T G.711."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | (exponent << 4) | mantissa) & 0xFF


@cache
def _to_ulaw() -> bytes:
    """The byte of each 14-bit step, negative ones from the middle on."""
    return bytes(_ulaw_byte(((step ^ 0x2000) - 0x2000) << 2) for step in range(0x4000))


@cache
def _from_ulaw() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        bits = ~byte & 0xFF
        magnitude = ((((bits & 0x0F) << 3) + _BIAS) << ((bits >> 4) & 0x07)) - _BIAS
        table.append(-magnitude if bits & 0x80 else magnitude)
    return tuple(table)


def samples_of(data: bytes, form: Format) -> array[int]:
    """The samples in `data`, 16 bit each; half a sample at the end is left out."""
    if form.ulaw:
        table = _from_ulaw()
        return array("h", [table[byte] for byte in data])
    samples = array("h")
    samples.frombytes(data[: len(data) // 2 * 2])
    return samples


def resampled(samples: array[int], rate: int, wanted: int) -> array[int]:
    """`samples` at another rate, in straight lines from one to the next."""
    if rate == wanted or not samples:
        return samples
    last = len(samples) - 1
    result = array("h", bytes(2 * (len(samples) * wanted // rate)))
    for place in range(len(result)):
        whole, rest = divmod(place * rate, wanted)
        left, right = samples[min(whole, last)], samples[min(whole + 1, last)]
        result[place] = left + (right - left) * rest // wanted
    return result


def encoded(samples: array[int], form: Format) -> bytes:
    """Samples at 16 kHz as they go over the wire."""
    fitted = resampled(samples, SAMPLE_RATE, form.rate)
    if not form.ulaw:
        return fitted.tobytes()
    table = _to_ulaw()
    return bytes([table[(sample >> 2) & 0x3FFF] for sample in fitted])


@lru_cache(maxsize=256)
def said(text: str, secs: float, tones: tuple[float, ...] = ()) -> bytes:
    """`text` as the agent says it: 16 kHz PCM of `secs` seconds, the same for the same words.

    With `tones` (Hz) it is those instead, each for 250 ms, again and again: what arrives can be told from all else.
    """
    if not tones:
        return speech(Turn("agent", text), secs)
    step, of_each = 2 * math.pi / SAMPLE_RATE, int(SAMPLE_RATE * PIECE_SECS)
    hertz = (tones[place // of_each % len(tones)] for place in range(int(secs * SAMPLE_RATE)))
    return array("h", [int(_TONE_PEAK * math.sin(step * each * place)) for place, each in enumerate(hertz)]).tobytes()


@lru_cache(maxsize=256)
def pieces(text: str, secs: float, form: Format, tones: tuple[float, ...] = ()) -> tuple[bytes, ...]:
    """The same for the wire, cut every 250 ms; the last piece may be shorter."""
    samples = array("h")
    samples.frombytes(said(text, secs, tones))
    data = encoded(samples, form)
    size = int(form.rate * PIECE_SECS) * (1 if form.ulaw else 2)
    return tuple(data[start : start + size] for start in range(0, len(data), size))


class Track:
    """Both sides of a conversation on one line of time, 16 kHz PCM. Where both are heard, the agent is kept."""

    def __init__(self) -> None:
        self._user = bytearray()
        self._agent: list[tuple[int, bytes]] = []

    def hear(self, at_secs: float, pcm: bytes) -> None:
        """The user's next piece, which arrived at `at_secs`; a piece that comes early follows the one before."""
        start = max(len(self._user), _place(at_secs))
        if start + len(pcm) <= _place(LONGEST_SECS):
            self._user.extend(bytes(start - len(self._user)))
            self._user.extend(pcm)

    @property
    def heard(self) -> bytes:
        """The user's side so far."""
        return bytes(self._user)

    def say(self, at_secs: float, pcm: bytes) -> None:
        """A piece of the agent's, as it is played at `at_secs`."""
        self._agent.append((_place(at_secs), pcm))

    def cut(self, at_secs: float) -> None:
        """Nothing of the agent's is played after `at_secs`."""
        end = _place(at_secs)
        self._agent = [(start, pcm[: end - start]) for start, pcm in self._agent if start < end]

    def whole(self, secs: float) -> bytes:
        """All of it, filled up with silence to `secs`."""
        wanted = _place(min(secs, LONGEST_SECS))
        sound = self._user[:wanted].ljust(wanted, b"\0")
        for start, pcm in self._agent:
            sound[start : start + len(pcm)] = pcm[: max(0, wanted - start)]
        return bytes(sound[:wanted])


def _place(secs: float) -> int:
    return 2 * int(secs * SAMPLE_RATE)
