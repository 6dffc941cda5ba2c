"""Recordings: fetched from the provider once, then kept in our own file storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import sleep

import structlog
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from aispinner.core.errors import NotFound, ProviderFailed
from aispinner.core.locks import named_lock
from integrations.calls import VoiceStack
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError, Reason
from integrations.models import ElevenLabsKey, KeyStatus
from telephony.models import Call, VoiceSession

log = structlog.get_logger(__name__)

NONE = "This call has no recording."
LONGEST_WAIT = timedelta(seconds=30)
OURS_WITHIN = timedelta(seconds=5)  # of its call's end, our own recording is stored


def recording_name(call: Call) -> str:
    """Where a call's recording is kept in the default storage."""
    return f"{recordings_of(call.workspace_id)}/{call.call_id}.mp3"


def recordings_of(workspace_id: int) -> str:
    """The folder of a workspace's recordings in the default storage."""
    return f"recordings/{workspace_id}"


def audio_for(call: Call) -> File[bytes]:
    """The call's recording, MP3, open for reading.

    NotFound (404) where there is none, ProviderFailed (502) where the provider does not hand it over.
    """
    name = recording_name(call)
    if not default_storage.exists(name):
        if not (call.has_audio and call.conversation_id):
            raise NotFound(NONE)
        # Two who ask at once fetch once. Who has waited in vain fetches too: the second file replaces the first.
        with named_lock(f"recording:{call.call_id}", wait=LONGEST_WAIT):
            _wait_for_our_own(call, name)
            if not default_storage.exists(name):
                _keep(name, _from_provider(call))
    return default_storage.open(name)


def store_recording(call: Call, pieces: Iterator[bytes]) -> None:
    """Keep the MP3 that our own voice path has made of a call."""
    _keep(recording_name(call), pieces)


def _wait_for_our_own(call: Call, name: str) -> None:
    """A bridge tells a call's end, then stores what it recorded: both sides apart, as the provider's are not."""
    ended_at = VoiceSession.objects.filter(pk=call.pk).values_list("ended_at", flat=True).first()
    while ended_at and timezone.now() < ended_at + OURS_WITHIN and not default_storage.exists(name):
        sleep(0.1)


def _from_provider(call: Call) -> Iterator[bytes]:
    """The recording's bytes, asked for with a key of the account that had the call."""
    key = _key_for(call)
    if key is None:
        raise ProviderFailed(
            "The recording is still at ElevenLabs, and no working key of its account is left here. Add one."
        )
    try:
        yield from ElevenLabsClient(api_key=key.key).conversation_audio(call.conversation_id or "")
    except ProviderError as error:
        log.warning("recording_not_fetched", call_id=call.call_id, answer=error.answer, reason=error.reason)
        if error.reason is Reason.NOT_FOUND:
            raise NotFound("ElevenLabs has no recording of this call, or has deleted it.") from None
        raise ProviderFailed("ElevenLabs did not hand over the recording. Try again in a moment.") from None


def _key_for(call: Call) -> ElevenLabsKey | None:
    """A working key of the account that has the conversation: the campaign's, else the newest of the workspace."""
    run, account = call.run, call.account_id
    if run is not None and run.voice_stack == VoiceStack.CUSTOM_VOICE:
        account = run.agent.account_id  # the call's own account has the lines, the agent's has the conversation
    keys = ElevenLabsKey.objects.filter(workspace=call.workspace_id, account=account, status=KeyStatus.WORKING)
    own = keys.filter(pk=run.api_key_id).first() if run is not None and run.api_key_id is not None else None
    return own or keys.order_by("-created_at", "-pk").first()


def _keep(name: str, chunks: Iterator[bytes]) -> None:
    """Store a whole recording, or nothing: a broken-off download leaves no half file behind."""
    try:
        place = Path(default_storage.path(name)).parent
    except NotImplementedError:  # a storage that has no paths, such as S3, takes a file whole or not at all
        place = None
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=place, prefix=".incoming-", delete=False) as incoming:
        partial = Path(incoming.name)
        try:
            size = sum(incoming.write(chunk) for chunk in chunks)
            incoming.flush()
            if not size:
                raise ProviderFailed("ElevenLabs sent an empty recording. Try again later.")
            if place is not None:
                partial.replace(place / Path(name).name)
            else:
                incoming.seek(0)
                default_storage.save(name, File(incoming))
        finally:
            partial.unlink(missing_ok=True)
