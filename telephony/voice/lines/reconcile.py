"""What a PBX has against what our rows say, after its event socket was away: pure, two lists to what is to be done."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from telephony.models import Dial

_OURS = re.compile(r"(call_[0-9a-z]{26})(?:-(media|amd))?\Z")


@dataclass(frozen=True, kw_only=True)
class OnPbx:
    """What the PBX has that bears our calls' ids: by call id, the parts that are there (`phone`, `media`, `amd`)."""

    channels: Mapping[str, frozenset[str]]
    bridges: frozenset[str]
    by_name: frozenset[str]  # calls whose channel says that it is our application's


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Call ids: `gone` have no channel left, `unjoined` were answered without an agent, `stray` are nobody's."""

    gone: frozenset[str]
    unjoined: frozenset[str]
    stray: frozenset[str]


def on_pbx(*, channels: Iterable[Mapping[str, Any]], bridges: Iterable[Mapping[str, Any]], app: str) -> OnPbx:
    """Read the answers of GET /channels and GET /bridges."""
    found: dict[str, set[str]] = {}
    by_name: set[str] = set()
    for channel in channels:
        match = _OURS.match(str(channel.get("id", "")))
        if match is None:
            continue
        found.setdefault(match[1], set()).add(match[2] or "phone")
        dialplan = channel.get("dialplan")
        data = str(dialplan.get("app_data", "")) if isinstance(dialplan, Mapping) else ""
        if data.split(",")[0] == app:
            by_name.add(match[1])
    named = {str(bridge.get("id", "")): bridge for bridge in bridges}
    return OnPbx(
        channels={call_id: frozenset(parts) for call_id, parts in found.items()},
        bridges=frozenset(each for each in named if _OURS.match(each)),
        by_name=frozenset(by_name),
    )


def compare(dials: Mapping[str, Dial], there: OnPbx, *, known: Collection[str]) -> Verdict:
    """`known` are calls that were ever handed over to this PBX: only those, and channels in our own application's name,
    are ours to end. Another installation may dial through the same PBX.
    """
    phones = {call_id for call_id, parts in there.channels.items() if "phone" in parts}
    talking = {call_id for call_id, parts in there.channels.items() if "media" in parts} & there.bridges
    seen = set(there.channels) | there.bridges
    return Verdict(
        gone=frozenset(set(dials) - phones),
        unjoined=frozenset(
            call_id
            for call_id, dial in dials.items()
            if dial.answered_at is not None and call_id in phones and call_id not in talking
        ),
        stray=frozenset((seen - set(dials)) & (set(known) | there.by_name)),
    )
