"""The bridge's rows: its life sign, what it must know of a call, and what became of it. Synchronous, for threads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import IO, Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import Agent
from integrations.calls import CallReport, Phase
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import ElevenLabsKey, KeyStatus
from integrations.services import mark_key_refused, newest_working_key
from telephony.dialer.records import stop_runs
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, VoiceBridge, VoiceSession
from telephony.recordings import store_recording
from telephony.voice.sweep import end_sessions

FORGOTTEN_AFTER = timedelta(seconds=30)  # an open row that its bridge does not know belongs to nobody
OF_THE_ACCOUNT = frozenset({Reason.QUOTA_EXHAUSTED, Reason.KEY_REFUSED, Reason.AGENT_MISSING})


RECORDED = CallReport(phase=Phase.IN_PROGRESS, has_audio=True)  # late as it is, it adds nothing but the recording
PIECE = 64 * 1024


class NoSessionError(Exception):
    """The bridge holds no open session of that call."""


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """What a conversation begins with. `signed_url` is a secret."""

    signed_url: str = field(repr=False)
    variables: Mapping[str, Any] = field(repr=False)


def sign_on(bridge: VoiceBridge) -> None:
    """The bridge is there from now on."""
    bridge.started_at = bridge.seen_at = timezone.now()
    bridge.save(force_insert=True)
    VoiceBridge.objects.filter(pk=bridge.pk).update(seen_at=Now(), started_at=Now())


def sign_off(bridge_id: str) -> None:
    """The bridge is gone, in good order."""
    VoiceBridge.objects.filter(pk=bridge_id).delete()


def life_sign(bridge_id: str, *, stopping: bool, held: Collection[str], known: Collection[str]) -> set[str]:
    """Say that the bridge is alive, and compare what it holds with the rows.

    Rows of calls that it does not hold (`held`) are ended. Returns those that it holds, and whose rows must be there
    by now (`known`), but that are no longer its own.
    """
    VoiceBridge.objects.filter(pk=bridge_id).update(seen_at=Now(), stopping=stopping)
    rows = list(VoiceSession.objects.filter(bridge_id=bridge_id, ended_at=None).select_related("call"))
    old = timezone.now() - FORGOTTEN_AFTER
    end_sessions([row for row in rows if row.call.call_id not in held and row.opened_at < old])
    return set(known) - {row.call.call_id for row in rows}


def brief(call_id: str, *, bridge_id: str) -> Briefing:
    """Whom the call is to talk with. NoSessionError; ProviderError where ElevenLabs does not let us talk to it."""
    call = session_of(call_id, bridge_id=bridge_id).call
    agent = _agent_of(call)
    key = _key_of(call, agent)
    try:
        signed_url = ElevenLabsClient(api_key=key.key).signed_url(agent.elevenlabs_agent_id)
    except ProviderError as error:
        if error.reason is Reason.KEY_REFUSED:
            mark_key_refused(key_id=key.pk)
        if error.reason is Reason.NOT_FOUND:
            raise _refused(Reason.AGENT_MISSING) from None
        raise
    variables = dict(call.recipient.variables or {}) if call.recipient is not None else {}
    return Briefing(signed_url=signed_url, variables={**variables, "call_id": call_id})


def session_of(call_id: str, *, bridge_id: str) -> VoiceSession:
    """The open session that this bridge holds; NoSessionError."""
    found = VoiceSession.objects.filter(call__call_id=call_id, bridge_id=bridge_id, ended_at=None)
    session = found.select_related("call__run__agent", "call__recipient", "call__workspace").first()
    if session is None:
        raise NoSessionError
    return session


def write_report(call_id: str, report: CallReport, *, bridge_id: str) -> None:
    """Take a report of a call that goes on into the journal. NoSessionError."""
    apply_reports({session_of(call_id, bridge_id=bridge_id).pk: report}, now=timezone.now())


def write_end(call_id: str, report: CallReport, *, why: str, bridge_id: str) -> None:
    """Take the last report of a call into the journal, and end its session. NoSessionError."""
    call = session_of(call_id, bridge_id=bridge_id).call
    with transaction.atomic():
        apply_reports({call.pk: report}, now=timezone.now())
        VoiceSession.objects.filter(pk=call.pk).update(ended_at=timezone.now(), end_reason=why[:100])
    if call.run_id is not None and report.reason in OF_THE_ACCOUNT:  # whoever is rung next would meet the same
        stop_runs({call.run_id: report.reason}, now=timezone.now())


def keep_recording(call_id: str, mp3: IO[bytes]) -> None:
    """Store a call's recording, and say in the journal that there is one."""
    call = Call.objects.filter(call_id=call_id).first()
    if call is None:
        return
    store_recording(call, iter(partial(mp3.read, PIECE), b""))
    apply_reports({call.pk: RECORDED}, now=timezone.now())


def _agent_of(call: Call) -> Agent:
    agent = call.run.agent if call.run is not None else Agent.objects.filter(node=call.agent_node_id).first()
    if agent is None:
        raise _refused(Reason.AGENT_MISSING)
    return agent


def _key_of(call: Call, agent: Agent) -> ElevenLabsKey:
    """The campaign's key where it works, else the newest of the agent's account."""
    own = call.run.api_key if call.run is not None else None
    if own is not None and own.status == KeyStatus.WORKING:
        return own
    key = newest_working_key(workspace=call.workspace, account=agent.account)
    if key is None:
        raise _refused(Reason.KEY_REFUSED)
    return key


def _refused(reason: Reason) -> ProviderError:
    return ProviderError(answer=Answer.REFUSED, reason=reason)
