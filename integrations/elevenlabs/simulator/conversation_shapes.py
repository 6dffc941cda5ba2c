"""A conversation as the provider shows it: in lists, in full, and in the webhook about a call that never started."""

from __future__ import annotations

import datetime as dt
from typing import Any

from .shapes import client_data
from .stories import Turn
from .world import Conversation

Json = dict[str, Any]
_CREDITS_PER_SECOND = 11.1
_DOLLARS_PER_SECOND = 0.08 / 60

_NOTHING_DELETED: Json = {
    "deletion_time_unix_secs": None,
    "deleted_logs_at_time_unix_secs": None,
    "deleted_audio_at_time_unix_secs": None,
    "deleted_transcript_at_time_unix_secs": None,
    "delete_transcript_and_pii": False,
    "delete_audio": False,
}
_NO_FEEDBACK: Json = {
    "type": None,
    "overall_score": None,
    "likes": 0,
    "dislikes": 0,
    "rating": None,
    "comment": None,
}


def _visible(call: Conversation) -> bool:
    """Whether transcript and length are shown yet: not before the call has ended."""
    return call.status in ("processing", "done", "failed")


def cost(call: Conversation) -> int:
    return round(call.duration * _CREDITS_PER_SECOND) if _visible(call) else 0


def _llm(call: Conversation) -> str:
    return str(call.agent["conversation_config"]["agent"]["prompt"]["llm"])


def turn(call: Conversation, item: Turn, position: int) -> Json:
    """One entry of `transcript`."""
    is_agent = item.role == "agent"
    metrics = {"convai_llm_service_ttfb": {"elapsed_time": 0.38}, "convai_tts_service_ttfb": {"elapsed_time": 0.17}}
    return {
        "role": item.role,
        "agent_metadata": _agent_metadata(call) if is_agent else None,
        "message": item.message,
        "multivoice_message": None,
        "tool_calls": item.tool_calls,
        "tool_results": item.tool_results,
        "feedback": None,
        "llm_override": None,
        "producing_llm": _llm(call) if is_agent else None,
        "time_in_call_secs": item.at,
        "conversation_turn_metrics": {"metrics": metrics} if is_agent and position else None,
        "rag_retrieval_info": None,
        "llm_usage": None,
        "interrupted": item.original is not None,
        "ignored_as_backchannel": False,
        "original_message": item.original,
        "reasoning": [],
        "source_medium": None if is_agent else item.medium,
        "source_event_id": None,
        "used_static_kb_document_ids": [],
        "user_identifier": None,
        "id": f"{call.id}_{position}",
        "triggered_guardrails": [],
        "file_input": None,
    }


def _agent_metadata(call: Conversation) -> Json:
    return {"agent_id": call.agent_id, "branch_id": None, "workflow_node_id": None, "version_id": None}


def phone_call(call: Conversation) -> Json | None:
    """`metadata.phone_call`; note `sip_trunking` here although the number's provider is `sip_trunk`."""
    if not call.phone:
        return None
    common: Json = {
        "direction": call.direction,
        "phone_number_id": call.phone["phone_number_id"],
        "agent_number": call.phone["phone_number"],
        "external_number": call.number,
        "call_sid": call.call_sid,
        "call_result": call.call_result,
    }
    if call.phone["provider"] == "twilio":
        return {**common, "type": "twilio", "stream_sid": call.carrier_id}
    return {**common, "type": "sip_trunking", "call_id": call.carrier_id, "sip_header_dynamic_variables": {}}


def source(call: Conversation) -> str:
    """`conversation_initiation_source`: the carrier of a phone call, else what the client said that it is."""
    return str(call.source or call.phone["provider"])


def _charging(call: Conversation) -> Json:
    return {
        "dev_discount": False,
        "is_burst": False,
        "tier": "enterprise",
        "llm_usage": {
            "irreversible_generation": {"model_usage": {}},
            "initiated_generation": {"model_usage": {}},
        },
        "llm_price": round(call.duration * 0.00002, 6),
        "llm_charge": 0,
        "call_charge": cost(call),
        "free_minutes_consumed": 0.0,
        "free_llm_dollars_consumed": 0.0,
    }


def metadata(call: Conversation) -> Json:
    batch_call = None
    if call.batch is not None and call.recipient is not None:
        batch_call = {"batch_call_id": call.batch.id, "batch_call_recipient_id": call.recipient.id}
    return {
        "start_time_unix_secs": int(call.started_at),
        "accepted_time_unix_secs": None if call.accepted_at is None else int(call.accepted_at),
        "call_duration_secs": call.duration if _visible(call) else 0,
        "cost": cost(call),
        "cost_fiat": round(call.duration * _DOLLARS_PER_SECOND, 6) if _visible(call) else None,
        "deletion_settings": _NOTHING_DELETED,
        "feedback": _NO_FEEDBACK,
        "authorization_method": call.authorization,
        "charging": _charging(call),
        "phone_call": phone_call(call),
        "batch_call": batch_call,
        "termination_reason": call.termination_reason,
        "error": call.error,
        "warnings": [],
        "main_language": call.agent["conversation_config"]["agent"]["language"] if call.turns else None,
        "rag_usage": None,
        "text_only": call.text_only,
        "features_usage": {},
        "eleven_assistant": {"is_eleven_assistant": False},
        "initiator_id": None,
        "conversation_initiation_source": source(call),
        "conversation_initiation_source_version": None,
        "timezone": call.agent["conversation_config"]["agent"]["prompt"]["timezone"],
        "async_metadata": None,
        "whatsapp": None,
        "sms": None,
        "agent_created_from": "api",
        "agent_last_updated_from": "api",
        "voice_rewards": [],
        "queue_wait_secs": None,
    }


def _verdict(call: Conversation) -> str:
    if call.status != "done":
        return "unknown"
    return "failure" if call.call_result == "voicemail" else call.story.result


def analysis(call: Conversation) -> Json | None:
    """Null until processed and for failed calls. `call_successful` judges the goal, not the connection."""
    if call.status != "done":
        return None
    result = _verdict(call)
    settings = call.agent["platform_settings"]
    criteria = {
        item["id"]: {
            "criteria_id": item["id"],
            "result": result,
            "rationale": call.summary,
            "scoring_mode": "binary",
            "score": None,
            "max_score": None,
        }
        for item in settings["evaluation"]["criteria"]
    }
    collected = {
        key: {
            "data_collection_id": key,
            "value": _collected(call, key, item["type"]),
            "json_schema": {"type": item["type"], "description": item.get("description", "")},
            "rationale": "Taken from what the person said.",
            "name": key,
        }
        for key, item in settings["data_collection"].items()
    }
    return {
        "evaluation_criteria_results": criteria,
        "data_collection_results": collected,
        "evaluation_criteria_results_list": list(criteria.values()),
        "data_collection_results_list": list(collected.values()),
        "call_successful": result,
        "call_success_score": {"success": 1.0, "failure": 0.0}.get(result),
        "transcript_summary": call.summary or "",
        "call_summary_title": call.title,
        "scoped": [],
    }


def _collected(call: Conversation, key: str, kind: str) -> Any:
    if kind == "boolean":
        return call.story.result == "unknown"
    if kind in ("integer", "number"):
        return len(call.turns) + len(key)
    return call.title


def variables(call: Conversation) -> Json:
    """The dynamic variables of a call: the client's and the system's."""
    given = call.client_data.get("dynamic_variables") or {}
    started = dt.datetime.fromtimestamp(call.started_at, tz=dt.UTC)
    return {
        **given,
        **_phone_variables(call),
        "system__conversation_id": call.id,
        "system__agent_id": call.agent_id,
        "system__current_agent_id": call.agent_id,
        "system__call_duration_secs": call.duration if _visible(call) else 0,
        "system__time_utc": started.isoformat(),
    }


def _phone_variables(call: Conversation) -> Json:
    if not call.phone:
        return {}
    ends = [call.phone["phone_number"], call.number]
    caller, called = ends if call.direction == "outbound" else reversed(ends)
    return {"system__caller_id": caller, "system__called_number": called, "system__call_sid": call.call_sid}


def conversation(call: Conversation) -> Json:
    """GET conversation in full; the same model goes out in `post_call_transcription`."""
    transcript = [turn(call, item, position) for position, item in enumerate(call.turns)] if _visible(call) else []
    return {
        "agent_id": call.agent_id,
        "agent_name": call.agent["name"],
        "conversation_product": "agent",
        "status": call.status,
        "user_id": call.user_id,
        "branch_id": None,
        "version_id": None,
        "metadata": metadata(call),
        "analysis": analysis(call),
        "visited_agents": [{"agent_id": call.agent_id, "branch_id": None}],
        "conversation_initiation_client_data": {**client_data(call.client_data), "dynamic_variables": variables(call)},
        "environment": "production",
        "conversation_id": call.id,
        "has_audio": call.has_audio,
        "has_user_audio": call.has_audio,
        "has_response_audio": call.has_audio,
        "has_auxiliary_audio": False,
        "transcript": transcript,
        "tag_ids": [],
        "user_message_count": sum(1 for entry in transcript if entry["role"] == "user"),
        "agent_message_count": sum(1 for entry in transcript if entry["role"] == "agent"),
    }


def summary(call: Conversation, *, with_summary: bool) -> Json:
    """One line of the list. Times real, duration simulated."""
    turns = call.turns if _visible(call) else []
    done = call.status == "done"
    tools = sorted({tool["tool_name"] for item in turns for tool in item.tool_calls})
    return {
        "agent_id": call.agent_id,
        "branch_id": None,
        "version_id": None,
        "agent_name": call.agent["name"],
        "conversation_id": call.id,
        "start_time_unix_secs": int(call.started_at),
        "call_duration_secs": call.duration if _visible(call) else 0,
        "message_count": len(turns),
        "user_message_count": sum(1 for item in turns if item.role == "user"),
        "agent_message_count": sum(1 for item in turns if item.role == "agent"),
        "status": call.status,
        "termination_reason": call.termination_reason,
        "call_successful": _verdict(call),
        "call_success_score": None,
        "transcript_summary": call.summary if done and with_summary else None,
        "call_summary_title": call.title if done else None,
        "main_language": call.agent["conversation_config"]["agent"]["language"] if turns else None,
        "conversation_initiation_source": source(call),
        "tool_names": tools,
        "direction": call.direction if call.phone else None,
        "rating": None,
        "sentiment_analysis": None,
        "data_collection_results": None,
        "evaluation_criteria_results": None,
        "tag_ids": [],
        "cost": cost(call),
        "cost_fiat": round(call.duration * _DOLLARS_PER_SECOND, 6) if _visible(call) else None,
    }


_FAILURE_REASONS = {"busy": "busy", "no_answer": "no-answer"}
_TWILIO_STATUS = {"busy": "busy", "no_answer": "no-answer"}
_SIP_CODES = {"busy": 486, "no_answer": 480}


def initiation_failure(call: Conversation, *, sip_status: int | None) -> Json:
    """`data` of call_initiation_failure. It says `no-answer` where phone_call.call_result says `no_answer`."""
    result = call.call_result or "failed"
    if call.phone["provider"] == "twilio":
        metadata_body: Json = {
            "type": "twilio",
            "body": {
                "CallSid": call.call_sid,
                "CallStatus": _TWILIO_STATUS.get(result, "failed"),
                "To": call.number,
                "From": call.phone["phone_number"],
                "Direction": "outbound-api",
                "CallDuration": "0",
                "SipResponseCode": str(_SIP_CODES.get(result, 500)),
                "SequenceNumber": "0",
                "Timestamp": dt.datetime.fromtimestamp(call.started_at, tz=dt.UTC).strftime("%a, %d %b %Y %H:%M:%S %z"),
            },
        }
    else:
        metadata_body = {
            "type": "sip",
            "body": {
                "from_number": call.phone["phone_number"],
                "to_number": call.number,
                "sip_status_code": _SIP_CODES.get(result, sip_status or 500),
                "error_reason": (call.error or {}).get("reason") or "",
                "call_sid": call.call_sid,
            },
        }
    return {
        "agent_id": call.agent_id,
        "conversation_id": call.id,
        "failure_reason": _FAILURE_REASONS.get(result, "unknown"),
        "metadata": metadata_body,
    }
