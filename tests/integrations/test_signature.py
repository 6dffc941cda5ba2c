"""Which webhooks are believed."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from integrations.elevenlabs.signature import sign, verify

SECRET = "wsec_0123456789"
BODY = b'{"type":"post_call_transcription","data":{}}'
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def header(body: bytes = BODY, *, secret: str = SECRET, at: datetime = NOW) -> str:
    timestamp = int(at.timestamp())
    return f"t={timestamp},v0={hmac.new(secret.encode(), f'{timestamp}.'.encode() + body, sha256).hexdigest()}"


def test_the_providers_signature_is_believed() -> None:
    assert verify(BODY, header(), SECRET, now=NOW)
    assert sign(BODY, SECRET, now=NOW) == header()


def test_one_good_signature_among_several_is_enough() -> None:
    both = header(secret="the secret before") + "," + header().partition(",")[2]
    assert verify(BODY, both, SECRET, now=NOW)


@pytest.mark.parametrize("age", [timedelta(minutes=29), timedelta(minutes=-4)])
def test_a_delivery_may_be_late_and_clocks_may_differ(age: timedelta) -> None:
    assert verify(BODY, header(at=NOW - age), SECRET, now=NOW)


@pytest.mark.parametrize("age", [timedelta(minutes=31), timedelta(minutes=-6)])
def test_an_old_delivery_or_one_from_the_future_is_not_believed(age: timedelta) -> None:
    assert not verify(BODY, header(at=NOW - age), SECRET, now=NOW)


def test_a_changed_body_or_another_secret_is_not_believed() -> None:
    assert not verify(BODY + b" ", header(), SECRET, now=NOW)
    assert not verify(BODY, header(secret="another"), SECRET, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "v0=00",
        "t=,v0=00",
        "t=abc,v0=00",
        f"t={int(NOW.timestamp())}",
        f"t={int(NOW.timestamp())},v0=",
        f"t={int(NOW.timestamp())},v0=\u00e9",
        f"t=1,t={int(NOW.timestamp())},v0=00",
        "t=99999999999999999999,v0=00",
        "t=99999999999,v0=00",
    ],
)
def test_a_header_that_is_none_is_not_believed(text: str | None) -> None:
    assert not verify(BODY, text, SECRET, now=NOW)


def test_without_a_secret_nothing_is_believed() -> None:
    assert not verify(BODY, header(secret=""), "", now=NOW)
