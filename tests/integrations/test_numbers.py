"""Phone numbers: what is taken, how it is stored, and that the fast way decides as libphonenumber does."""

from __future__ import annotations

import time

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.numbers import parse_e164


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("+15551234567", "+15551234567"),
        ("+1 (555) 123-4567", "+15551234567"),
        ("+1.555.010.0123", "+15550100123"),
        ("+1\u00a0555\u2011010\u20130123", "+15550100123"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+870 773 111 632", "+870773111632"),
    ],
)
def test_a_number_is_taken_as_people_write_it_and_stored_as_e164(written: str, stored: str) -> None:
    assert parse_e164(written) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "hello",
        "5550100123",
        "+15550",
        "+155501001234",
        "+0123456789",
        "+999123456789",
        "+1555010012x1",
        "+\u0661\u0665\u0665\u0665",
    ],
)
def test_what_is_no_number_is_refused_with_a_sentence_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ValueError, match="Write it in E") as refused:
        parse_e164(text)
    assert len(text) < 2 or text not in str(refused.value)


def _by_the_book(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@settings(max_examples=500, deadline=None)
@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    national=st.from_regex(r"[0-9]{4,13}", fullmatch=True),
)
def test_the_fast_way_decides_as_libphonenumber_does(code: int, national: str) -> None:
    text = f"+{code}{national}"
    try:
        ours: str | None = parse_e164(text)
    except ValueError:
        ours = None
    if 6 <= len(text) - 1 <= 17:
        assert ours == _by_the_book(text)


def test_a_hundred_thousand_numbers_take_less_than_a_second() -> None:
    began = time.process_time()
    for last in range(100_000):
        parse_e164(f"+1555{last:07d}")
    assert time.process_time() - began < 1
