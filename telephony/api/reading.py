"""Reading what clients send: everything that is wrong is collected, and said in one answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn
from unicodedata import category

from aispinner.core.access import LARGEST_ID
from aispinner.core.errors import Invalid

_WHOLE = re.compile(r"-?[0-9]{1,19}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_SPACED_OFFSET = re.compile(r"(T.*[0-9]) ([0-9]{2}:?[0-9]{2})\Z")  # a plus sign in an address arrives as a space
_DATES = "Takes a date (2026-05-04) or an ISO 8601 date and time (2026-05-04T10:23:45Z)."


class Findings:
    """What is wrong with a request, by field."""

    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}

    def blame(self, field: str, sentence: str) -> None:
        """Note that `field` is wrong."""
        self.errors.setdefault(field, []).append(sentence)

    def check(self) -> None:
        """Raise Invalid (422) where anything was found."""
        if self.errors:
            refuse(self.errors)


def refuse(errors: Mapping[str, Sequence[str]]) -> NoReturn:
    """Invalid (422), saying the first of `errors` and how many more there are."""
    field, sentences = next(iter(errors.items()))
    more = sum(map(len, errors.values())) - 1
    raise Invalid(f"{field}: {sentences[0]}" + (f" ({more} more in errors.)" if more else ""), errors=errors)


class Query(Findings):
    """A query string. A parameter left empty counts as left out; unknown ones are ignored."""

    def __init__(self, params: Mapping[str, str]) -> None:
        super().__init__()
        self._params = params

    def text(self, name: str, *, longest: int = 200) -> str:
        """The parameter, or nothing."""
        if name not in self._params:
            return ""
        value = self._params[name].strip(" ")
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            self.blame(name, "Takes plain text.")
            return ""
        if len(value) > longest:
            self.blame(name, f"Takes at most {longest} characters.")
            return ""
        return value

    def whole(self, name: str, *, low: int = 0, high: int = LARGEST_ID) -> int | None:
        """The parameter as a whole number within `low`..`high`, or None."""
        value = self.text(name)
        if not value:
            return None
        if not _WHOLE.match(value) or not low <= int(value) <= high:
            self.blame(name, f"Takes a whole number from {low} to {high}." if high < LARGEST_ID else "Takes an id.")
            return None
        return int(value)

    def choices(self, name: str, allowed: Collection[str]) -> tuple[str, ...]:
        """The parameter as a comma-separated list of some of `allowed`, each once."""
        words = [word.strip() for word in self.text(name).split(",") if word.strip()]
        if any(word not in allowed for word in words):
            self.blame(name, f"Takes one or more of {', '.join(allowed)}, separated by commas.")
            return ()
        return tuple(dict.fromkeys(words))

    def moment(self, name: str, *, end: bool) -> datetime | None:
        """The parameter as a moment: for a date its first, or with `end` its last. Without an offset it is in UTC."""
        value = self.text(name)
        if not value:
            return None
        try:
            if _DATE.match(value):
                return datetime.combine(date.fromisoformat(value), time.max if end else time.min, tzinfo=UTC)
            moment = datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1+\2", value))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.blame(name, _DATES)
            return None


class Body(Findings):
    """A JSON object. What is not `known` is refused: a misspelt option must not be taken for one left out."""

    def __init__(self, data: Any, *, known: Collection[str]) -> None:
        super().__init__()
        if data is None or data == "":
            data = {}
        if not isinstance(data, Mapping):
            raise Invalid("Send a JSON object.")
        self.data: Mapping[str, Any] = data
        for name in data:
            if name not in known:
                self.blame(str(name)[:100], f"There is no such field here; known are {', '.join(known)}.")

    def get(self, name: str) -> Any:
        """The field as it came; None where it was left out."""
        return self.data.get(name)

    def text(self, name: str, *, longest: int = 200, required: bool = False) -> str:
        """The field as text, without spaces around it."""
        value = self.data.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            self.blame(name, "Takes text.")
            return ""
        if len(value.strip()) > longest:
            self.blame(name, f"Takes at most {longest} characters.")
            return ""
        if any(category(character) == "Cc" for character in value):
            self.blame(name, "Takes text of one line, without control characters.")
            return ""
        return value.strip()

    def whole(self, name: str, *, low: int, high: int, default: int) -> int:
        """The field as a whole number within `low`..`high`."""
        value = self.data.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.blame(name, f"Takes a whole number from {low} to {high}.")
            return default
        return value

    def flag(self, name: str) -> bool:
        """The field as true or false; false where it was left out."""
        value = self.data.get(name)
        if value is not None and not isinstance(value, bool):
            self.blame(name, "Takes true or false.")
            return False
        return bool(value)

    def choice(self, name: str, allowed: Collection[str], *, default: str) -> str:
        """The field as one of `allowed`."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in allowed:
            self.blame(name, f"Takes one of {', '.join(allowed)}.")
            return default
        return value
