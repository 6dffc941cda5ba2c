"""Phone numbers in E.164, by libphonenumber's rules; fast enough for a list of 100,000."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers.phonenumberutil import region_code_for_country_code

_WRITTEN = re.compile(r"[ \t\u00a0\u2009\u202f().\-\u2010-\u2015/]+")
_PLAIN = re.compile(r"\+[1-9][0-9]{5,16}\Z")
_HOW = "Write it in E.164: a plus sign, the country code and the number, such as +15551234567."


@dataclass(frozen=True, slots=True)
class _Plan:
    """A country code's rules, as far as they decide without a closer look."""

    digits: int
    lengths: frozenset[int]
    changed_when: re.Pattern[str] | None  # a national number that starts so is rewritten: not for the fast path


def parse_e164(text: str) -> str:
    """`text` as E.164, without the spaces, dashes, dots, slashes and brackets that people write.

    "Possible" by libphonenumber is enough: the length fits its country. ValueError with a sentence, which never
    repeats the number, where it is none.
    """
    plain = _WRITTEN.sub("", text) if not _PLAIN.match(text) else text
    if not _PLAIN.match(plain):
        raise ValueError(f"Not a phone number. {_HOW}")
    plan = _plan(plain[1:4])
    if plan is not None:
        national = plain[1 + plan.digits :]
        if plan.changed_when is None or not plan.changed_when.match(national):
            if len(national) in plan.lengths:
                return plain
            raise ValueError(f"No phone number of that country has this length. {_HOW}")
    return _parse_slowly(plain)


def _parse_slowly(plain: str) -> str:
    try:
        number = phonenumbers.parse(plain, None)
    except phonenumbers.NumberParseException:
        raise ValueError(f"No country has this code. {_HOW}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"No phone number of that country has this length. {_HOW}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _plan(start: str) -> _Plan | None:
    """The rules for numbers whose first three digits are `start`; None where no country has such a code."""
    for digits in (1, 2, 3):
        code = int(start[:digits])
        region = region_code_for_country_code(code)
        metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if metadata is not None and metadata.general_desc is not None:
            general = metadata.general_desc
            prefix = metadata.national_prefix_for_parsing
            return _Plan(
                digits=digits,
                lengths=frozenset((*general.possible_length, *general.possible_length_local_only)),
                changed_when=re.compile(prefix) if prefix else None,
            )
    return None
