"""ElevenLabs' words about a call, translated into ours. Pure: what was received comes in, a report goes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations.calls import CallReport, Direction, Disposition, Origin, Outcome, Phase, Turn
from integrations.elevenlabs.schemas import BatchRecipient, mapping, moment, number, required_text, text

_OUR_CALL_ID = re.compile(r"call_[0-9A-Za-z_-]{1,60}\Z")
_SIP_STATUS = re.compile(r"\bsip(?: status)?:? ([3-6]\d\d)\b", re.IGNORECASE)
_QUOTA = re.compile(r"quota|credits", re.IGNORECASE)
_ERRORS = (  # what `metadata.error.reason` starts with, and our word for it
    (re.compile(r"HTTP \d{3} error: Unable to create record"), "twilio_error"),
    (re.compile(r"sip request timed out"), "sip_timeout"),
    (re.compile(r"transaction failed to complete"), "sip_transaction_failed"),
    (re.compile(r".*(quota|credits)", re.IGNORECASE), "quota_exhausted"),
)
_WORD = re.compile(r"[a-z_]{1,64}\Z")
_GENERAL_ERROR_TYPES = frozenset({"call_initialization_error", "dependency_error"})
_CODE_OUT_OF_CREDITS, _CODE_DAILY_LIMIT = 3000, 4300

_CALL_RESULTS = MappingProxyType(  # metadata.phone_call.call_result, failure_reason of a webhook, Twilio's CallStatus
    {
        "answered": Outcome.ANSWERED,
        "voicemail": Outcome.VOICEMAIL,
        "busy": Outcome.BUSY,
        "no_answer": Outcome.NO_ANSWER,
        "canceled": Outcome.NO_ANSWER,  # Twilio: hung up by the dialling side while it rang
    }
)
_SIP_OUTCOMES = MappingProxyType(  # RFC 3261 §21, RFC 8197, RFC 8688; other 5xx: congestion, the rest: error
    {
        403: Outcome.REJECTED,
        404: Outcome.INVALID_NUMBER,
        408: Outcome.NO_ANSWER,
        410: Outcome.INVALID_NUMBER,
        480: Outcome.NO_ANSWER,
        484: Outcome.INVALID_NUMBER,
        486: Outcome.BUSY,
        487: Outcome.NO_ANSWER,
        600: Outcome.BUSY,
        603: Outcome.REJECTED,
        604: Outcome.INVALID_NUMBER,
        607: Outcome.REJECTED,
        608: Outcome.REJECTED,
    }
)
_LIVE = MappingProxyType(  # conversation status
    {"initiated": Phase.DISPATCHED, "in-progress": Phase.IN_PROGRESS}
)
_DIRECTIONS = MappingProxyType(  # metadata.phone_call.direction
    {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
)
_BY_PHONE = frozenset(  # metadata.conversation_initiation_source
    {"twilio", "sip_trunk", "exotel", "genesys", "avaya", "audiocodes"}
)
_RECIPIENT_LIVE = MappingProxyType(
    {"dispatched": Phase.DISPATCHED, "initiated": Phase.RINGING, "in_progress": Phase.IN_PROGRESS}
)
_RECIPIENT_ENDED = MappingProxyType(
    {
        "completed": (Outcome.ANSWERED, ""),
        "voicemail": (Outcome.VOICEMAIL, ""),
        "failed": (Outcome.ERROR, "failed"),
        "cancelled": (Outcome.CANCELLED, "cancelled"),
    }
)


def report_from_conversation(conversation: Mapping[str, Any]) -> CallReport:
    """What a conversation (GET, or the `data` of a post_call_transcription) says of its call.

    ProviderError where it lacks an id or a status.
    """
    status = required_text(conversation, "status")
    if status not in {"processing", "done", "failed"}:
        phase = _LIVE.get(status, Phase.IN_PROGRESS if conversation.get("transcript") else Phase.DISPATCHED)
        origin = _origin(conversation, phase=phase)
        if phase is Phase.DISPATCHED and origin is not None and origin.direction is Direction.INBOUND:
            phase = Phase.RINGING  # here, not at somebody else's
        return _report(conversation, phase=phase, origin=origin)
    turns, origin = _turns(conversation), _origin(conversation, phase=Phase.ENDED)
    if status == "processing" and _may_end_otherwise(conversation, turns, origin):
        return _report(conversation, phase=Phase.IN_PROGRESS, turns=turns, origin=origin)
    if status != "failed":
        outcome = _outcome_of_conversation(conversation, turns)
        settled = status == "done"
        return _report(conversation, phase=Phase.ENDED, outcome=outcome, turns=turns, settled=settled, origin=origin)
    outcome, reason = _failure(conversation, turns)
    limit = _limit_before_dialling(conversation, turns)
    if limit and (_call_id(conversation) or (origin and origin.direction is Direction.OUTBOUND)):
        phase = Phase.NOT_DIALLED
        return _report(conversation, phase=phase, reason=limit, account_limit=limit, settled=True, origin=origin)
    reason = limit or reason  # who came to us was refused for the limit
    return _report(
        conversation, phase=Phase.ENDED, outcome=outcome, reason=reason, turns=turns, settled=True, origin=origin
    )


def report_from_recipient(recipient: BatchRecipient, *, conversation_gone: bool = False) -> CallReport:
    """What a batch says of one recipient.

    ENDED without an outcome means: ask the conversation, only it knows how. Once it is known to be gone,
    `conversation_gone` takes what the recipient's status alone tells.
    """
    asks = recipient.conversation_id is not None and not conversation_gone
    call_id = next((id_ for id_ in (recipient.user_id, recipient.id) if _OUR_CALL_ID.match(id_)), None)
    phase, outcome, reason = Phase.WAITING, None, ""
    if recipient.status == "cancelled" and recipient.conversation_id is None:
        phase, reason = Phase.NOT_DIALLED, "cancelled"
    elif recipient.status in _RECIPIENT_ENDED:
        phase = Phase.ENDED
        if not asks:
            outcome, reason = _RECIPIENT_ENDED[recipient.status]
    elif recipient.status in _RECIPIENT_LIVE:
        phase = _RECIPIENT_LIVE[recipient.status]
    elif recipient.conversation_id is not None:
        phase = Phase.DISPATCHED
    return CallReport(
        phase=phase,
        call_id=call_id,
        conversation_id=recipient.conversation_id,
        outcome=outcome,
        reason=reason,
        settled=phase is Phase.NOT_DIALLED or (outcome is not None and conversation_gone),
    )


def report_from_webhook(kind: str, data: Any) -> CallReport | None:
    """What an event says of its call; None for kinds that say nothing we use. ProviderError where it is malformed."""
    if kind == "post_call_transcription":
        return report_from_conversation(mapping(data))
    if kind == "call_initiation_failure":
        return _report_from_failure(mapping(data))
    if kind == "post_call_audio":  # there is a recording, so somebody answered; how it ended comes with the transcript
        conversation_id = required_text(mapping(data), "conversation_id")
        return CallReport(phase=Phase.IN_PROGRESS, conversation_id=conversation_id, has_audio=True)
    return None


def _report_from_failure(data: dict[str, Any]) -> CallReport:
    conversation_id = required_text(data, "conversation_id")
    outcome = _CALL_RESULTS.get(text(data, "failure_reason").replace("-", "_"))
    reason = ""
    if outcome is None:
        outcome, reason = _outcome_from_carrier(_object(data, "metadata"))
    if outcome is None:  # it may have been an account's limit, before anything was dialled: the conversation will tell
        return CallReport(phase=Phase.DISPATCHED, call_id=_call_id(data), conversation_id=conversation_id)
    return CallReport(
        phase=Phase.ENDED,
        call_id=_call_id(data),
        conversation_id=conversation_id,
        outcome=outcome,
        reason=reason,
        settled=True,
    )


def _outcome_from_carrier(metadata: Mapping[str, Any]) -> tuple[Outcome | None, str]:
    """Of `{type: "twilio" | "sip", body}`; None where it leaves open whether anything was dialled."""
    body = _object(metadata, "body")
    sip_status = int(number(body, "sip_status_code") or number(body, "SipResponseCode"))
    if sip_status in _SIP_OUTCOMES:
        return _SIP_OUTCOMES[sip_status], f"sip_{sip_status}"
    return _CALL_RESULTS.get(text(body, "CallStatus").replace("-", "_")), ""


def _report(
    conversation: Mapping[str, Any],
    *,
    phase: Phase,
    outcome: Outcome | None = None,
    reason: str = "",
    account_limit: str = "",
    turns: tuple[Turn, ...] = (),
    settled: bool = False,
    origin: Origin | None = None,
) -> CallReport:
    metadata = _object(conversation, "metadata")
    analysis = _object(conversation, "analysis")
    judged = text(analysis, "call_successful")
    return CallReport(
        phase=phase,
        call_id=_call_id(conversation),
        conversation_id=required_text(conversation, "conversation_id"),
        outcome=outcome,
        reason=reason,
        account_limit=account_limit,
        started_at=moment(metadata, "start_time_unix_secs"),
        duration_sec=_duration(conversation),
        transcript=turns,
        summary=_storable(text(analysis, "transcript_summary")),
        disposition=Disposition(judged) if judged in Disposition.values else None,
        has_audio=conversation.get("has_audio") is True,
        settled=settled,
        origin=origin,
    )


def _origin(conversation: Mapping[str, Any], *, phase: Phase) -> Origin | None:
    """Where a conversation came from; None where that is not told yet: a call that is only beginning may be by phone
    although its two ends are still missing.
    """
    metadata = _object(conversation, "metadata")
    phone_call, source = _object(metadata, "phone_call"), text(metadata, "conversation_initiation_source")
    if not phone_call and phase is not Phase.ENDED:
        begins = phase is Phase.DISPATCHED and source in {"", "unknown"}
        if begins or source in _BY_PHONE:
            return None
    return Origin(
        direction=_direction(metadata, phone_call, source),
        agent_id=_storable(text(conversation, "agent_id")),
        phone_number_id=_storable(text(phone_call, "phone_number_id")),
        our_number=_storable(text(phone_call, "agent_number")),
        external_number=_storable(text(phone_call, "external_number")),
    )


def _direction(metadata: Mapping[str, Any], phone_call: Mapping[str, Any], source: str) -> Direction:
    told = _DIRECTIONS.get(text(phone_call, "direction"))
    if told is not None:
        return told
    if metadata.get("batch_call"):
        return Direction.OUTBOUND
    return Direction.INBOUND if phone_call or source in _BY_PHONE else Direction.WEB


def _outcome_of_conversation(conversation: Mapping[str, Any], turns: tuple[Turn, ...]) -> Outcome:
    """Of one that the provider calls done: somebody, or something, answered."""
    result = _call_result(conversation)
    if result is Outcome.VOICEMAIL or _voicemail_detected(conversation):
        return Outcome.VOICEMAIL
    if result is not None and not turns and not _duration(conversation):
        return result
    return Outcome.ANSWERED


def _may_end_otherwise(conversation: Mapping[str, Any], turns: tuple[Turn, ...], origin: Origin | None) -> bool:
    """Whether one that is over, and not analysed, may still turn out to have met a mailbox, or to have failed."""
    if _call_result(conversation) is not None or _voicemail_detected(conversation):
        return False
    by_phone = bool(_object(_object(conversation, "metadata"), "phone_call"))
    called = by_phone and origin is not None and origin.direction is Direction.OUTBOUND
    return called or not (turns or _duration(conversation))


def _limit_before_dialling(conversation: Mapping[str, Any], turns: tuple[Turn, ...]) -> str:
    """The account's limit that stopped a failed call at its start, if one did; never of a call that reached anyone."""
    if turns or _duration(conversation) or _call_result(conversation) is not None:
        return ""
    error = _error(conversation)
    code = int(number(error, "code"))
    if code == _CODE_DAILY_LIMIT:
        return "daily_limit"
    reason = text(error, "reason")
    at_start = code == _CODE_OUT_OF_CREDITS or text(error, "error_type") == "call_initialization_error"
    if at_start and (_QUOTA.search(reason) or (code == _CODE_OUT_OF_CREDITS and not reason)):
        return "quota_exhausted"
    return ""


def _failure(conversation: Mapping[str, Any], turns: tuple[Turn, ...]) -> tuple[Outcome, str]:
    """How a failed conversation ended, and why, in a machine word."""
    result = _call_result(conversation)
    outcome, reason = _outcome_of_error(conversation)
    if result is Outcome.VOICEMAIL or _voicemail_detected(conversation):
        return Outcome.VOICEMAIL, ""
    if turns or _duration(conversation) or result is Outcome.ANSWERED:
        return Outcome.ANSWERED, reason
    return (result, "") if result is not None else (outcome, reason)


def _outcome_of_error(conversation: Mapping[str, Any]) -> tuple[Outcome, str]:
    error = _error(conversation)
    code, reason, kind = int(number(error, "code")), text(error, "reason"), text(error, "error_type")
    plain = _CALL_RESULTS.get(reason.replace("-", "_"))
    if kind == "no_answer" or plain is not None:
        return plain or Outcome.NO_ANSWER, ""
    stated = _SIP_STATUS.search(reason)
    sip_status = int(stated[1]) if stated else code
    if 300 <= sip_status <= 699:
        return _outcome_of_sip(sip_status), f"sip_{sip_status}"
    word = next((word for pattern, word in _ERRORS if pattern.match(reason)), "")
    if text(_object(conversation, "metadata"), "termination_reason").startswith("Missing required dynamic variables"):
        word = "missing_dynamic_variable"
    if not word and kind not in _GENERAL_ERROR_TYPES and _WORD.match(kind):
        word = kind
    return Outcome.ERROR, word or (f"provider_error_{code}" if 0 < code < 10_000 else "failed")


def _outcome_of_sip(status: int) -> Outcome:
    return _SIP_OUTCOMES.get(status, Outcome.CONGESTION if 500 <= status <= 599 else Outcome.ERROR)


def _call_result(conversation: Mapping[str, Any]) -> Outcome | None:
    phone_call = _object(_object(conversation, "metadata"), "phone_call")
    return _CALL_RESULTS.get(text(phone_call, "call_result").replace("-", "_"))


def _voicemail_detected(conversation: Mapping[str, Any]) -> bool:
    """Whether the agent's own tool found a mailbox (a system tool's result in the transcript)."""
    results = [
        result
        for turn in _objects(conversation, "transcript")
        for result in _objects(turn, "tool_results")
        if result.get("is_error") is not True
    ]
    return any(
        text(_object(result, "result"), "result_type") == "voicemail_detection_success"
        or text(result, "tool_name") == "voicemail_detection"
        for result in results
    )


def _turns(conversation: Mapping[str, Any]) -> tuple[Turn, ...]:
    """What was said; turns without words (tool calls) are left out."""
    return tuple(
        Turn(
            role="user" if text(turn, "role") == "user" else "agent",
            message=_storable(text(turn, "message")),
            time_in_call_secs=number(turn, "time_in_call_secs"),
        )
        for turn in _objects(conversation, "transcript")
        if text(turn, "message")
    )


def _call_id(data: Mapping[str, Any]) -> str | None:
    """Our id of the call: given back as the user's id, as a dynamic variable, or as the batch's recipient."""
    client_data = _object(data, "conversation_initiation_client_data")
    candidates = (
        text(data, "user_id"),
        text(client_data, "user_id"),
        text(_object(client_data, "dynamic_variables"), "call_id"),
        text(_object(_object(data, "metadata"), "batch_call"), "batch_call_recipient_id"),
    )
    return next((candidate for candidate in candidates if _OUR_CALL_ID.match(candidate)), None)


def _error(conversation: Mapping[str, Any]) -> dict[str, Any]:
    return _object(_object(conversation, "metadata"), "error")


def _duration(conversation: Mapping[str, Any]) -> int:
    return max(0, min(round(number(_object(conversation, "metadata"), "call_duration_secs")), 86_400))


def _object(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _objects(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = data.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _storable(words: str) -> str:
    """Without what PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    return words.replace("\x00", "").encode("utf-8", "replace").decode()
