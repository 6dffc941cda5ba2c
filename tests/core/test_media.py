"""Tokens for a single recording."""

from __future__ import annotations

import time

import pytest

from aispinner.core.media import LIFETIME, check_media, sign_media


def test_a_media_token_opens_its_own_call_alone() -> None:
    token = sign_media("call_a")
    assert check_media(token, "call_a")
    assert not check_media(token, "call_b")
    assert "call_a" not in token


@pytest.mark.parametrize("wrong", ["", ":", "a:b", "call_a", "é:ÿ", "\ud800", "x" * 10_000, "\0"])
def test_what_is_no_media_token_opens_nothing(wrong: str) -> None:
    assert not check_media(wrong, "call_a")


def test_a_media_token_ends_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_media("call_a")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME.total_seconds() - 2)
    assert check_media(token, "call_a")
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME.total_seconds() + 2)
    assert not check_media(token, "call_a")
