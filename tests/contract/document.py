"""The published document as data: its request and response blocks, in their order.

`telephony-api.txt` is the text of our own published API page, as it was copied from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXT = Path(__file__).with_name("telephony-api.txt")
_REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) +(/\S+)\Z")
_HEADER = re.compile(r"([A-Z][A-Za-z-]+): (.+)\Z")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A printed request. `target` has its placeholders and its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Any  # None: none

    @property
    def name(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.target.partition('?')[0]}"

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A printed response; `to` is the request printed before it."""

    value: Any
    to: Request


def read_document() -> tuple[list[Request], list[Answer]]:
    """All request blocks and all response blocks."""
    lines = TEXT.read_text().splitlines()
    requests: list[Request] = []
    answers: list[Answer] = []
    for place, line in enumerate(lines):
        if line == "http":
            requests += _requests(lines[place + 1 :])
        elif line == "json":
            value = json.JSONDecoder().raw_decode("\n".join(lines[place + 1 :]))[0]
            answers.append(Answer(value=value, to=requests[-1]))
    return requests, answers


def _requests(lines: list[str]) -> list[Request]:
    """The requests of a block: one with its headers and its body, or several lines of one each."""
    found = [(match[1], match[2]) for line in _while(_REQUEST, lines) if (match := _REQUEST.match(line))]
    rest = lines[len(found) :]
    headers = {match[1]: match[2] for line in _while(_HEADER, rest) if (match := _HEADER.match(line))}
    after = "\n".join(rest[len(headers) :]).lstrip()
    has_body = "Content-Type" in headers
    body = json.JSONDecoder().raw_decode(after)[0] if has_body else None
    return [Request(method=method, target=target, headers=headers, body=body) for method, target in found]


def _while(pattern: re.Pattern[str], lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if not pattern.match(line):
            break
        kept.append(line)
    return kept
