"""The customer's own Asterisk: calls are handed over as rows to the one process that holds the PBX.

Submitting is our own transaction, so a lookup can always tell. What became of a call is written as it happens; polling
adds what ElevenLabs alone knows of the conversation: summary, judgement, and that nothing more will come.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from integrations.calls import CallReport, Phase
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.events import report_from_conversation
from integrations.errors import Answer, ProviderError, Reason
from telephony.models import Call, Dial, Run, VoiceSession
from telephony.stacks.base import Finding, Item, Order, Poll, Trace
from telephony.voice.lines import ring, rows
from telephony.voice.lines.providers import Provider, digest_of, provider_of
from telephony.voice.lines.told import report_of

WITHOUT_CONVERSATION = timedelta(seconds=5)  # after its end, a call that has none will get none


class CustomVoiceStack:
    """Chunks as dial rows: one transaction each, unique by call."""

    can_hang_up = True
    can_hear_ends = False  # the PBX tells of each as it happens

    def prepare(self, order: Order) -> None:
        """The provider is still set up, its PBX is held, a bridge lives: else no row is worth writing."""
        provider = _provider(order)
        why = rows.why_not(order.account_id, login=digest_of(provider.login))
        if why in {Reason.PBX_REFUSED, Reason.PBX_TAKEN}:
            raise ProviderError(answer=Answer.REFUSED, reason=why)
        if why is not None:
            raise ProviderError(answer=Answer.NOT_DONE, reason=why)

    def submit(self, order: Order) -> str:
        """Write a row for each call, and ring its PBX's holder."""
        calls = Call.objects.filter(call_id__in=[item.call_id for item in order.items if not item.ended])
        try:
            with transaction.atomic():
                pks = list(calls.values_list("pk", flat=True))
                rows.hand_over(account_id=order.account_id, provider_id=order.provider_id, calls=pks)
                ring.ring(order.account_id)
        except DatabaseError:  # the commit may have come through
            raise ProviderError(answer=Answer.UNKNOWN, reason=Reason.PROVIDER_DOWN) from None
        return order.key

    def find(self, order: Order) -> Finding:
        """It is our own table: what is not in it was never handed over."""
        there = Dial.objects.filter(call__call_id__in=[item.call_id for item in order.items]).exists()
        return Finding(trace=Trace.FOUND, external_id=order.key) if there else Finding(trace=Trace.NEVER_DIALLED)

    def poll(self, order: Order) -> Poll:
        """What the rows say, and of conversations that are over, what ElevenLabs says."""
        items = {item.call_id: item for item in order.items if not item.settled}
        dials = Dial.objects.filter(call__call_id__in=items).select_related("call__voice_session")
        reports: dict[str, CallReport] = {}
        error: ProviderError | None = None
        for dial in dials:
            item = items[dial.call.call_id]
            try:
                reports[item.call_id] = _with_conversation(dial, item, order)
            except ProviderError as failed:
                reports[item.call_id], error = report_of(dial), failed
        return Poll(reports=reports, error=error)

    def over(self, secret: str, *, since: datetime) -> Collection[str]:
        """Never asked: there is nothing to add."""
        return ()

    def read(self, secret: str, conversations: Sequence[str]) -> Poll:
        """Never asked."""
        return Poll(reports={})

    def cancel(self, order: Order) -> None:
        """Withdraw what the PBX's holder has not taken; what it has, goes on."""
        rows.take_back([item.call_id for item in order.items if not item.ended])

    def hang_up(self, order: Order) -> None:
        """Have the holder end the calls that are up, ringing ones too."""
        rows.want_hung_up([item.call_id for item in order.items if not item.ended])
        ring.ring(order.account_id)


def _provider(order: Order) -> Provider:
    workspace_id = Run.objects.filter(chunks=order.chunk_id).values_list("workspace_id", flat=True).get()
    provider = provider_of(workspace_id=workspace_id, provider_id=order.provider_id)
    if provider is None:
        raise ProviderError(answer=Answer.REFUSED, reason=Reason.PBX_MISSING)
    return provider


def _has_none(dial: Dial) -> bool:
    """Whether no conversation of the call will become known: its bridge has said its last, or says nothing."""
    session: VoiceSession | None = getattr(dial.call, "voice_session", None)
    if session is not None and session.ended_at is not None:
        return True
    return dial.ended_at is not None and dial.ended_at + WITHOUT_CONVERSATION < timezone.now()


def _with_conversation(dial: Dial, item: Item, order: Order) -> CallReport:
    told = report_of(dial)
    if told.phase is not Phase.ENDED or told.settled:
        return told
    if item.conversation_id is None:
        return replace(told, settled=_has_none(dial))
    if not order.secret:
        return told
    conversation = report_from_conversation(
        ElevenLabsClient(api_key=order.secret).get_conversation(item.conversation_id)
    )
    # How the phone call went is the PBX's to say; what was said in it, ElevenLabs'.
    return replace(
        conversation, phase=told.phase, outcome=told.outcome, reason=told.reason, started_at=told.started_at,
        duration_sec=told.duration_sec, account_limit="", origin=None,
    )  # fmt: skip
