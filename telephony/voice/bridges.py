"""Finding a voice bridge with room, and handing it a call. Synchronous; for the web process and the PBX's listener."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.signing import BadSignature, TimestampSigner
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from integrations.errors import ProviderError
from integrations.http import Reply, Request, send
from telephony.models import Call, SessionKind, VoiceBridge, VoiceSession

SILENT_AFTER = timedelta(seconds=5)
_TOKEN_LIFETIME = timedelta(minutes=1)
_signer = TimestampSigner(salt="telephony.voice.control")


class BridgeRefusedError(Exception):
    """A bridge did not take a call; nothing of it runs there. `reason` is `full`, `taken`, `bad_sdp` or `gone`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Room:
    """A live bridge with a free place."""

    bridge_id: str
    address: str  # http://host:port of its control API
    audiosocket: str  # host:port that Asterisk can reach


@dataclass(frozen=True, kw_only=True)
class WebSocketMedia:
    """Asterisk's media socket in server mode: the bridge connects to `url`. 16-bit PCM at `sample_rate` both ways."""

    url: str = field(repr=False)  # its id is the only secret
    username: str = ""
    password: str = field(default="", repr=False)
    sample_rate: int = 16000


@dataclass(frozen=True, kw_only=True)
class AudioSocketMedia:
    """Asterisk will connect to the bridge's AudioSocket address and name itself by `uuid`."""

    uuid: str = field(repr=False)
    sample_rate: int = 8000


Media = WebSocketMedia | AudioSocketMedia


def pick_bridge() -> Room | None:
    """The least loaded live bridge with a free place."""
    bridge = _with_room().order_by((F("open_sessions") * 1.0) / F("capacity"), "id").first()
    if bridge is None:
        return None
    return Room(bridge_id=bridge.id, address=bridge.address, audiosocket=bridge.audiosocket)


def has_room() -> int:
    """Free places over all live bridges."""
    return sum(bridge.capacity - bridge.open_sessions for bridge in _with_room())


def open_session(*, room: Room, call_id: str, media: Media) -> None:
    """Hand a phone call to the bridge: the session's row first, then the request.

    Raises BridgeRefusedError: the call has no session then, and another bridge may be asked.
    """
    call = Call.objects.get(call_id=call_id)
    row = {"bridge_id": room.bridge_id, "kind": SessionKind.PHONE, "opened_at": timezone.now()}
    if not VoiceSession.objects.get_or_create(call=call, defaults=row)[1]:
        raise BridgeRefusedError("taken")
    try:
        answer_of(room, "POST", "/sessions/phone", {"call_id": call_id, "media": _as_json(media)})
    except BridgeRefusedError:
        VoiceSession.objects.filter(call=call, bridge=room.bridge_id, ended_at=None).delete()
        raise


def close_session(*, call_id: str, reason: str) -> bool:
    """Ask the bridge that holds the call to end it; False where none does (any more)."""
    session = VoiceSession.objects.filter(call__call_id=call_id, ended_at=None).select_related("bridge").first()
    if session is None or session.bridge is None:
        return False
    room = Room(bridge_id=session.bridge.id, address=session.bridge.address, audiosocket=session.bridge.audiosocket)
    return let_go(room, call_id=call_id, reason=reason)


def let_go(room: Room, *, call_id: str, reason: str) -> bool:
    """Have a bridge end a call, known to the journal or not; False where it does not hold it, or does not answer."""
    try:
        answer_of(room, "POST", f"/sessions/{call_id}/end", {"reason": reason})
    except BridgeRefusedError:
        return False
    return True


def answer_of(room: Room, method: str, path: str, body: Any) -> Any:
    """What the bridge's control API answers, as JSON. BridgeRefusedError where it refuses or does not answer."""
    authorization = f"Bearer {control_token(room.bridge_id)}"
    headers = {"Authorization": authorization, "Connection": "close"}  # one that is kept may be gone when it is used
    try:
        reply = send(Request(method=method, base_url=room.address, path=path, headers=headers, body=body))
        answer = reply.json()
    except (ProviderError, ValueError):
        raise BridgeRefusedError("gone") from None
    if reply.status >= 400:
        raise BridgeRefusedError(_reason(reply, answer))
    return answer


def control_token(bridge_id: str) -> str:
    """Opens the control API of this one bridge, for a minute; derived from SECRET_KEY."""
    return _signer.sign(bridge_id)


def opens_control(token: str, *, bridge_id: str) -> bool:
    """Whether `token` was made by `control_token` for `bridge_id` within the last minute."""
    try:
        return _signer.unsign(token, max_age=_TOKEN_LIFETIME) == bridge_id
    except BadSignature:
        return False


def held(calls: Collection[int]) -> set[int]:
    """Those of these calls (pk) that a bridge holds: how they end is its to tell, or the sweep's."""
    return set(VoiceSession.objects.filter(pk__in=calls, ended_at=None).values_list("pk", flat=True))


def live_bridges() -> QuerySet[VoiceBridge]:
    """Bridges that gave a sign of life lately."""
    return VoiceBridge.objects.filter(seen_at__gte=Now() - SILENT_AFTER)


def _with_room() -> Any:
    counted = live_bridges().filter(stopping=False)
    counted = counted.annotate(open_sessions=Count("sessions", filter=Q(sessions__ended_at=None)))
    return counted.filter(open_sessions__lt=F("capacity"))


def _as_json(media: Media) -> dict[str, Any]:
    if isinstance(media, AudioSocketMedia):
        return {"kind": "audiosocket", "uuid": media.uuid, "sample_rate": media.sample_rate}
    return {
        "kind": "websocket",
        "url": media.url,
        "username": media.username,
        "password": media.password,
        "sample_rate": media.sample_rate,
    }


def _reason(reply: Reply, answer: Any) -> str:
    reason = answer.get("reason") if isinstance(answer, dict) else None
    return reason if isinstance(reason, str) and len(reason) <= 40 else f"http_{reply.status}"
