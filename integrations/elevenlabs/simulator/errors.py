"""Error answers in the provider's own words: `type`, `code`, `message` and a legacy `status` that may differ."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than 200. `detail` is an object, a list (422) or a plain string."""

    def __init__(self, http_status: int, detail: Any, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(http_status)
        self.http_status = http_status
        self.detail = detail
        self.headers = headers or {}


def current_form(http_status: int, kind: str, code: str, message: str, **more: Any) -> ApiError:
    """`{"detail": {type, code, message, status, request_id, param?}}`; `status` follows `code` unless given."""
    headers = more.pop("headers", None)
    detail = {"type": kind, "code": code, "message": message, "status": more.pop("status", None) or code, **more}
    return ApiError(http_status, detail, headers=headers)


def legacy_form(http_status: int, status: str, message: str, *, headers: dict[str, str] | None = None) -> ApiError:
    """`{"detail": {"status", "message"}}`, the older shape that is still seen."""
    return ApiError(http_status, {"status": status, "message": message}, headers=headers)


def validation_list(problems: list[dict[str, Any]]) -> ApiError:
    """The 422 list of pydantic; checked before the key is looked at, as the real service does."""
    return ApiError(422, problems)


def missing_key() -> ApiError:
    message = "Neither authorization header nor xi-api-key received, please provide one."
    return current_form(401, "authentication_error", "unauthorized", message, status="needs_authorization")


def wrong_key() -> ApiError:
    return current_form(401, "authentication_error", "unauthorized", "Invalid API key", status="invalid_api_key")


def missing_permission(permission: str) -> ApiError:
    message = f"The API key you used is missing the permission {permission} to execute this operation."
    return current_form(401, "authentication_error", "unauthorized", message, status="missing_permissions")


def not_found(code: str, message: str, *, status: str | None = None) -> ApiError:
    return current_form(404, "not_found", code, message, status=status)


def agent_not_found(agent_id: str) -> ApiError:
    return not_found("agent_not_found", f"Agent with id {agent_id} not found.")


def phone_number_not_found(phone_number_id: str) -> ApiError:
    return not_found("phone_number_not_found", f"Phone number with id {phone_number_id} not found.")


def conversation_not_found(conversation_id: str) -> ApiError:
    message = f"Conversation with id {conversation_id} not found."
    return not_found("conversation_not_found", message, status="conversation_history_not_found")


def batch_not_found(batch_id: str) -> ApiError:
    return not_found("batch_call_not_found", f"Batch call with id {batch_id} not found.")


def webhook_not_found(webhook_id: str) -> ApiError:
    return not_found("webhook_not_found", f"Webhook with id {webhook_id} not found.")


def invalid_parameters(message: str, *, param: str | None = None) -> ApiError:
    more = {"param": param} if param else {}
    return current_form(400, "validation_error", "invalid_parameters", message, **more)


def concurrent_limit(limit: int, *, headers: dict[str, str] | None = None) -> ApiError:
    message = (
        "Too many concurrent requests. Your current subscription is associated with a maximum of "
        f"{limit} concurrent requests (running in parallel)."
    )
    return current_form(
        429,
        "rate_limit_error",
        "concurrent_limit_exceeded",
        message,
        status="too_many_concurrent_requests",
        headers=headers,
    )
