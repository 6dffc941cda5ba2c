"""Short-lived tokens that open the recording of a single call, for `<audio>`, and give nothing else away."""

from __future__ import annotations

from datetime import timedelta

from django.core.signing import BadSignature, TimestampSigner

LIFETIME = timedelta(hours=1)
_signer = TimestampSigner(salt="aispinner.core.media")


def sign_media(call_id: str) -> str:
    """A token good for the recording of `call_id` alone, for an hour."""
    return _signer.sign(call_id).removeprefix(f"{call_id}:")


def check_media(token: str, call_id: str) -> bool:
    """Whether `token` was made for `call_id`, within the last hour."""
    try:
        _signer.unsign(f"{call_id}:{token}", max_age=LIFETIME)
    except (BadSignature, UnicodeEncodeError):
        return False
    return True
