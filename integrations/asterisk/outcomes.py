"""How a call ended, by what Asterisk says of its channel's end: a table, knowing nothing of sockets or databases.

Sources: Q.850 causes as chan_pjsip sets them, SIP codes (RFC 3261, 8197, 8688); both measured on Asterisk 22.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from integrations.calls import Outcome
from integrations.errors import Reason

NORMAL, UNKNOWN = frozenset({0, 16, 31, 32}), 127


@dataclass(frozen=True)
class Ending:
    """`stops` is why no further call should be tried over this trunk, where that is so."""

    outcome: Outcome
    reason: str = ""
    stops: Reason | None = None


_BY_SIP = MappingProxyType(
    {
        401: Ending(Outcome.REJECTED, "trunk_refused", Reason.TRUNK_REFUSED),  # our trunk's credentials, not the number
        407: Ending(Outcome.REJECTED, "trunk_refused", Reason.TRUNK_REFUSED),
        487: Ending(Outcome.CANCELLED),
        607: Ending(Outcome.REJECTED, "unwanted", Reason.CALLS_BLOCKED),  # RFC 8197: marked as spam
        608: Ending(Outcome.REJECTED, "blocked", Reason.CALLS_BLOCKED),  # RFC 8688: by the network
    }
)
_BY_CAUSE = MappingProxyType(
    {
        1: Ending(Outcome.INVALID_NUMBER),  # 404, 604, 485
        3: Ending(Outcome.CONGESTION, "no_route"),
        17: Ending(Outcome.BUSY),  # 486, 600
        21: Ending(Outcome.REJECTED),  # 403, 603
        22: Ending(Outcome.INVALID_NUMBER, "number_changed"),  # 410
        27: Ending(Outcome.CONGESTION),  # 502
        28: Ending(Outcome.INVALID_NUMBER, "number_incomplete"),  # 484
        34: Ending(Outcome.CONGESTION),  # 503 and other 5xx
        38: Ending(Outcome.CONGESTION),  # 500
        42: Ending(Outcome.CONGESTION),
        58: Ending(Outcome.ERROR, "media_refused"),  # 488, 606
        102: Ending(Outcome.CONGESTION),  # 504
    }
)
_WHERE_IT_RANG = frozenset({18, 19, 20})  # nobody answers: 408, 480 and our own time-out


def ending(
    *, cause: int, tech_cause: int | None, rang: bool, answered: bool = False, machine: bool = False, ours: bool = False
) -> Ending:
    """How a call ended whose channel was destroyed with `cause` and `tech_cause` (None before Asterisk 22.7).

    `rang`: ringing or early media was heard of. `ours`: we had asked to hang up. Who was answered stays answered.
    """
    if answered:
        return Ending(Outcome.VOICEMAIL if machine else Outcome.ANSWERED)
    if tech_cause is not None and tech_cause in _BY_SIP:
        return _BY_SIP[tech_cause]
    if ours or cause in NORMAL:
        return Ending(Outcome.CANCELLED, "hung_up" if ours else "")
    if cause in _WHERE_IT_RANG:
        # A trunk that is dead looks the same as nobody at home, but for the ringing.
        return Ending(Outcome.NO_ANSWER) if rang else Ending(Outcome.CONGESTION, "never_rang")
    return _BY_CAUSE.get(cause) or Ending(Outcome.ERROR, f"sip_{tech_cause}" if tech_cause else f"cause_{cause}")
