"""What becomes of a dial: decided by the seed and the number alone, or ordered for that number.

The causes are those that Asterisk 22.10.1 gave for each SIP answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from .errors import bad_request

Outcome = Literal[
    "answered", "voicemail", "busy", "no_answer", "rejected", "invalid", "congestion", "dead_trunk", "blocked", "sip"
]
Manner = Literal["talk", "listen", "tone", "barge_in", "machine"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
MANNERS: tuple[str, ...] = get_args(Manner)

# SIP answer -> Q.850 cause; what is not named is 127
CAUSES = {
    401: 21, 403: 21, 404: 1, 407: 21, 408: 18, 410: 22, 420: 3, 480: 19, 484: 28, 485: 1, 486: 17, 488: 58,
    500: 38, 502: 27, 504: 102, 600: 17, 603: 21, 604: 1, 606: 58,
}  # fmt: skip
_INTERWORKING, _CONGESTION = 127, 34
_SIP_CODES: dict[str, int] = {
    "busy": 486, "no_answer": 480, "rejected": 603, "invalid": 404, "congestion": 503, "dead_trunk": 480,
    "blocked": 608,
}  # fmt: skip
_RINGS_BEFORE = {"answered", "voicemail", "no_answer", "rejected", "busy"}
_MIX: tuple[tuple[Outcome, float], ...] = (
    ("answered", 0.6),
    ("no_answer", 0.14),
    ("busy", 0.08),
    ("voicemail", 0.06),
    ("rejected", 0.04),
    ("invalid", 0.04),
    ("congestion", 0.04),
)


def dial_status_of(code: int) -> str:
    """What the last Dial event says: next to nothing."""
    if code in (486, 600):
        return "BUSY"
    if code == 420:
        return "CHANUNAVAIL"
    return "CONGESTION" if cause_of(code) == _CONGESTION else "NOANSWER"


def cause_of(code: int) -> int:
    """The Q.850 cause of a SIP answer."""
    if code in CAUSES:
        return CAUSES[code]
    return _CONGESTION if 500 <= code < 600 else _INTERWORKING


@dataclass(frozen=True)
class Script:
    """What is ordered for one number; None leaves the seeded value. Seconds are simulated ones, but for barge_in_secs.

    outcome: `sip` answers with sip_code; no_answer rings until the PBX gives up; dead_trunk never replies.
    early_media: the far end is heard before it answers (183).
    manner: talk (says hello, answers when spoken to), listen (silent), tone (tone_hz or 440 without a pause),
    barge_in (speaks up barge_in_secs into whatever it hears), machine (a greeting, a beep, silence).
    tone_hz: talk and barge_in speak in this tone, to be known again. turns: hangs up after speaking so often.
    """

    outcome: Outcome | None = None
    ring_secs: float | None = None
    talk_secs: float | None = None
    sip_code: int | None = None
    rings: bool | None = None
    early_media: bool = False
    manner: Manner | None = None
    tone_hz: int | None = None
    barge_in_secs: float = 1.0
    turns: int | None = None


@dataclass(frozen=True)
class Story:
    """What will happen when this number is dialled. Durations in simulated seconds."""

    outcome: Outcome
    ring_secs: float
    talk_secs: float
    sip_code: int
    rings: bool
    early_media: bool
    manner: Manner
    tone_hz: int | None
    barge_in_secs: float
    turns: int | None
    voice: int

    @property
    def answers(self) -> bool:
        return self.outcome in ("answered", "voicemail")

    @property
    def amd(self) -> tuple[str, str, float]:
        """AMDSTATUS, AMDCAUSE and the seconds it takes to know."""
        if self.manner in ("machine", "tone"):
            return "MACHINE", "LONGGREETING-1500-1500", 1.8
        if self.manner == "listen":  # somebody who waits in silence is taken for a machine
            return "MACHINE", "INITIALSILENCE-2500-2500", 2.5
        return "HUMAN", "HUMAN-800-800", 2.7


def decide(*, seed: int, number: str, script: Script | None = None) -> Story:
    """The story of `number`; `script` overrides parts of it without moving the rest."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311  (a story, not a secret)
    outcome = rng.choices([name for name, _ in _MIX], [weight for _, weight in _MIX])[0]
    ring = 3.0 + 12.0 * rng.random() ** 1.6
    talk = min(300.0, max(15.0, rng.lognormvariate(4.0, 0.6)))
    wanted = script or Script()
    outcome = wanted.outcome or outcome
    manner: Manner = wanted.manner or ("machine" if outcome == "voicemail" else "talk")
    return Story(
        outcome=outcome,
        ring_secs=ring if wanted.ring_secs is None else wanted.ring_secs,
        talk_secs=talk if wanted.talk_secs is None else wanted.talk_secs,
        sip_code=wanted.sip_code or _SIP_CODES.get(outcome, 200),
        rings=outcome in _RINGS_BEFORE if wanted.rings is None else wanted.rings,
        early_media=wanted.early_media,
        manner=manner,
        tone_hz=wanted.tone_hz,
        barge_in_secs=wanted.barge_in_secs,
        turns=wanted.turns,
        voice=rng.randrange(2**16) % 8,
    )


def parse_script(number: str, given: Any) -> Script:
    """A script from JSON; AriError 400 naming what is wrong."""
    known = {field.name for field in fields(Script)}
    if not isinstance(given, dict) or not set(given) <= known:
        raise bad_request(f"Script of {number}: give some of {', '.join(sorted(known))}.")
    for name, allowed in (("outcome", OUTCOMES), ("manner", MANNERS)):
        if given.get(name) not in (None, *allowed):
            raise bad_request(f"Script of {number}: {name} must be one of {', '.join(allowed)}.")
    for name in ("ring_secs", "talk_secs", "barge_in_secs", "tone_hz", "sip_code", "turns"):
        value = given.get(name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value < 0):
            raise bad_request(f"Script of {number}: {name} must be a number, not below 0.")
    if given.get("outcome") == "sip" and not 400 <= (given.get("sip_code") or 0) < 700:
        raise bad_request(f"Script of {number}: outcome sip needs a sip_code from 400 to 699.")
    return Script(**given)
