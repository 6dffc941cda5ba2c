"""`metadata.error` of calls that fail: in the words in which the provider tells why."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

OUT_OF_CREDITS: Json = {
    "code": 3000,
    "reason": "[quota_exceeded] You've run out of credits. Please upgrade your plan or add credits.",
    "error_type": "call_initialization_error",
}
CREDITS_MID_CALL: Json = {
    "code": 1002,
    "reason": "This request exceeds your quota limit.",
    "error_type": "dependency_error",
}
NO_ANSWER_SIP: Json = {"code": 1011, "reason": "request timed out", "error_type": "no_answer"}
NO_ANSWER_TWILIO: Json = {"code": 1011, "reason": "no-answer", "error_type": "no_answer"}
BUSY_SIP: Json = {
    "code": 486,
    "reason": "INVITE failed: sip status: 486: Busy Here (SIP 486)",
    "error_type": "call_initialization_error",
}
BUSY_TWILIO: Json = {"code": 1011, "reason": "busy", "error_type": "call_initialization_error"}


def daily_limit_error(limit: int) -> Json:
    return {
        "code": 4300,
        "reason": f"Agent has exceeded its daily call limit of {limit}.",
        "error_type": "call_initialization_error",
    }
