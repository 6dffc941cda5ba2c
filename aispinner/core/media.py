"""Short-lived tokens that open the recording of a single call, for `<audio>`, and give nothing else away."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

LIFETIME = timedelta(hours=1)
SALT = "aispinner.core.media"
_signer = TimestampSigner(salt=SALT)


def sign_media(call_id: str) -> str:
    """A token good for the recording of `call_id` alone, for an hour.

    As `TimestampSigner.sign` makes it, whose key would be derived anew for each of a page's hundreds of calls.
    """
    moment = _signer.timestamp()
    digest = hmac.digest(_key(settings.SECRET_KEY), f"{call_id}:{moment}".encode(), "sha256")
    return f"{moment}:{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def check_media(token: str, call_id: str) -> bool:
    """Whether `token` was made for `call_id`, within the last hour."""
    try:
        _signer.unsign(f"{call_id}:{token}", max_age=LIFETIME)
    except (BadSignature, UnicodeEncodeError):
        return False
    return True


@lru_cache(maxsize=1)
def _key(secret: str) -> bytes:
    return sha256(f"{SALT}signer{secret}".encode()).digest()
