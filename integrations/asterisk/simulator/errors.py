"""Answers other than 2xx, in ARI's shape."""

from __future__ import annotations


class AriError(Exception):
    """`{"message": …}`, or `{"error": …}` where Asterisk could not make a channel."""

    def __init__(self, status: int, message: str, *, reason: str | None = None, key: str = "message") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason or _REASONS.get(status, "Error")
        self.body = {key: message}


_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable.  Use HTTP GET",
    409: "Conflict",
    412: "Precondition Failed",
    422: "Unprocessable Entity",
    500: "Internal Server Error",
    501: "Not Implemented",
}


def bad_request(message: str) -> AriError:
    return AriError(400, message)


def not_found(message: str) -> AriError:
    return AriError(404, message)


def conflict(message: str) -> AriError:
    return AriError(409, message)


def allocation_failed() -> AriError:
    """An endpoint, trunk or technology that Asterisk does not have."""
    return AriError(500, "Allocation failed", key="error")
