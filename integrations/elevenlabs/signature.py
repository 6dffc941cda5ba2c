"""Whether a webhook comes from ElevenLabs: `ElevenLabs-Signature: t=<unix seconds>,v0=<hex of HMAC-SHA256>`."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

TOLERANCE = timedelta(minutes=30)  # the provider's own figure
SKEW = timedelta(minutes=5)  # how far its clock may be ahead of ours
_TIMESTAMP = re.compile(r"[0-9]{1,11}\Z")


def verify(
    raw_body: bytes, header: str | None, secret: str, *, now: datetime, tolerance: timedelta = TOLERANCE
) -> bool:
    """Whether `header` signs exactly these bytes with `secret`, not longer than `tolerance` ago.

    Signed is `"{t}." + body`; several `v0` may stand beside each other while a secret is changed.
    """
    if not secret or not header:
        return False
    parts = [part.strip().partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v0"]
    if len(timestamps) != 1 or not _TIMESTAMP.match(timestamps[0]):
        return False
    age = now - datetime.fromtimestamp(int(timestamps[0]), tz=UTC)
    if not -SKEW <= age <= tolerance:
        return False
    expected = hmac.new(secret.encode(), f"{timestamps[0]}.".encode() + raw_body, sha256).hexdigest().encode()
    matches = [hmac.compare_digest(signature.encode("utf-8", "replace"), expected) for signature in signatures[:8]]
    return any(matches)


def sign(raw_body: bytes, secret: str, *, now: datetime) -> str:
    """The header that `verify` accepts; for tests and for trying a webhook out by hand."""
    timestamp = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + raw_body, sha256).hexdigest()
    return f"t={timestamp},v0={digest}"
