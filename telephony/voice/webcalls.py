"""Calls from a browser: the offer goes to a bridge, the call into the journal, the answer back."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Agent
from aispinner.core.audit import record
from aispinner.core.errors import Conflict, Invalid, Unavailable
from integrations.calls import CallReport, Direction, Phase
from integrations.models import ElevenLabsKey
from integrations.services import newest_working_key
from telephony.dialer.ledger import DayTurnedError
from telephony.dialer.transitions import apply_reports
from telephony.inbound.arrivals import lock_account
from telephony.models import Call, SessionKind, VoiceSession
from telephony.models.call import new_call_id
from telephony.voice.bridges import (
    BridgeRefusedError,
    Room,
    answer_of,
    close_session,
    let_go,
    live_bridges,
    pick_bridge,
)
from telephony.voice.session import HUNG_UP

log = structlog.get_logger(__name__)

TRIES = 3  # bridges asked
BEGUN = CallReport(phase=Phase.DISPATCHED)
NO_BRIDGE = "No voice bridge is running. Start one with `manage.py voice`, then try again."
ALL_BUSY = "All voice bridges are busy. Try again when a call has ended."
BAD_SDP = "sdp takes a browser's offer: one audio track to send and receive, with its ICE candidates."


@dataclass(frozen=True, kw_only=True)
class WebCall:
    """A call that has begun, and the SDP that the browser needs to connect."""

    call: Call
    sdp: str = field(repr=False)


def start_web_call(*, agent: Agent, sdp: str) -> WebCall:
    """Have a bridge answer the browser's offer. Nothing is written, and nothing is held, where that does not work.

    Invalid (422) for a bad offer or where no key works, Unavailable (503) where no bridge has room, Conflict (409)
    where the workspace has as many as it may.
    """
    _refuse_one_too_many(agent.workspace_id)
    key = newest_working_key(workspace=agent.workspace, account=agent.account)
    if key is None:
        raise Invalid(
            "This workspace has no working ElevenLabs key for the agent's account; "
            "add one with POST /integrations/elevenlabs/keys."
        )
    call_id = new_call_id()
    room, answer = _have_answered(call_id, sdp)
    try:
        try:
            call = _begin(call_id, agent, key, room)
        except DayTurnedError:
            call = _begin(call_id, agent, key, room)
    except BaseException:
        let_go(room, call_id=call_id, reason=HUNG_UP)  # its place is for somebody else at once
        raise
    log.info("web_call_started", call_id=call_id, bridge_id=room.bridge_id)
    return WebCall(call=call, sdp=answer)


def hang_up(call: Call) -> None:
    """End a web call. One whose bridge does not answer is ended by the sweep, within seconds."""
    if call.ended_at is None:
        close_session(call_id=call.call_id, reason=HUNG_UP)


def reached(call: Call, phase: Phase) -> None:
    """The browser says how far the call has come; the bridge says the same, and whoever is first is believed."""
    apply_reports({call.pk: CallReport(phase=phase)}, now=timezone.now())


def _have_answered(call_id: str, sdp: str) -> tuple[Room, str]:
    for _ in range(TRIES):
        room = pick_bridge()
        if room is None:
            break
        try:
            answer = answer_of(room, "POST", "/sessions/web", {"call_id": call_id, "sdp": sdp})
        except BridgeRefusedError as refused:
            if refused.reason == "bad_sdp":
                raise Invalid(BAD_SDP, errors={"sdp": [BAD_SDP]}) from None
            log.warning("bridge_refused", bridge_id=room.bridge_id, reason=refused.reason)
            continue
        return room, str(answer["sdp"])
    raise Unavailable(ALL_BUSY if live_bridges().filter(stopping=False).exists() else NO_BRIDGE)


def _refuse_one_too_many(workspace_id: int) -> None:
    """Browsers take places that phone calls need."""
    most = settings.WEB_CALLS_PER_WORKSPACE
    open_calls = VoiceSession.objects.filter(kind=SessionKind.WEB, ended_at=None, call__workspace=workspace_id)
    if open_calls.count() >= most:
        raise Conflict(
            f"This workspace has {most} calls from browsers going on, and no more at once are allowed. "
            "Hang one up, or ask whoever runs this server to raise WEB_CALLS_PER_WORKSPACE."
        )


@transaction.atomic
def _begin(call_id: str, agent: Agent, key: ElevenLabsKey, room: Room) -> Call:
    """The call and its session, before the browser can connect."""
    lock_account(key.account_id)
    with connection.cursor() as cursor:  # a workspace's agents may be of several accounts
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"web calls:{agent.workspace_id}"])
    _refuse_one_too_many(agent.workspace_id)  # who began at the same moment is counted here
    call = Call(
        call_id=call_id,
        workspace_id=agent.workspace_id,
        account_id=key.account_id,
        agent_node_id=agent.node_id,
        direction=Direction.WEB,
    )
    apply_reports({}, begun=[(call, BEGUN)], now=timezone.now())
    VoiceSession.objects.create(call=call, bridge_id=room.bridge_id, kind=SessionKind.WEB, opened_at=timezone.now())
    record(action="web_call.started", about=call, workspace=agent.workspace)
    return call
