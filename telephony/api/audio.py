"""The recording of a call, with everything an `<audio>` player asks for: ranges, HEAD, ETag, a token in the address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import File
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from aispinner.core.auth import REFUSED, BearerAuthentication, user_for_token
from aispinner.core.media import check_media
from aispinner.core.rendering import dump_json
from telephony.api.finding import call_for
from telephony.models import Call
from telephony.recordings import audio_for

PIECE = 64 * 1024
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*\Z", re.IGNORECASE)


class WhateverIsAccepted(DefaultContentNegotiation):
    """There is one format; players say `Accept: audio/*`, which is not what refusals are written in."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The JSON of refusals."""
        return renderers[0], renderers[0].media_type


class AudioView(APIView):
    """GET and HEAD /telephony/calls/{call_id}/audio"""

    content_negotiation_class = WhateverIsAccepted
    authentication_classes = [BearerAuthentication]
    permission_classes: list[Any] = []  # a token in the address is looked at below

    def get(self, request: Request, call_id: str) -> HttpResponseBase:
        """The MP3, whole (200), in part (206), unchanged (304); 416 where the part asked for is not there."""
        call = self.find(request, call_id)
        return mp3_response(request, audio_for(call), name=call.call_id)

    def find(self, request: Request, call_id: str) -> Call:
        """The call; NotFound (404) where whoever listens may not see it."""
        return call_for(user=_listener(request, call_id), call_id=call_id)


def _listener(request: Request, call_id: str) -> User | None:
    """Who listens; None for whoever holds the token made for this one recording."""
    if isinstance(request.user, User) and request.user.is_authenticated:
        return request.user
    token = request.query_params.get("token", "")
    if not token:
        raise NotAuthenticated
    if check_media(token, call_id):
        return None
    user = user_for_token(token)
    if user is None:
        raise AuthenticationFailed(REFUSED)
    return user


@dataclass(frozen=True)
class Part:
    """Bytes `first`..`last`, both included."""

    first: int
    last: int


class NotThereError(Exception):
    """The part asked for lies outside of the file."""


def parse_range(header: str, *, size: int) -> Part | None:
    """The part that a Range header asks for (RFC 9110 §14.1.2); None where the whole file is to be sent.

    Several parts at once, other units and what cannot be read are answered with the whole file, as the RFC allows.
    """
    match = _RANGE.match(header)
    if match is None or match.group(0).strip().endswith("=-"):
        return None
    first, last = match.groups()
    if not first:
        if not int(last) or not size:
            raise NotThereError
        return Part(max(0, size - int(last)), size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise NotThereError
    return Part(int(first), min(int(last), size - 1) if last else size - 1)


def mp3_response(request: Request, audio: File[bytes], *, name: str) -> HttpResponseBase:
    """`audio` as the request's headers ask for it; it is closed with the answer. Recordings never change."""
    etag = f'"{name}-{audio.size:x}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",  # kept, but asked for again with every use: tokens can be revoked
        "Content-Disposition": f'inline; filename="{name}.mp3"',
        "X-Content-Type-Options": "nosniff",
    }
    if _is_known(request.headers.get("If-None-Match", ""), etag):
        audio.close()
        unchanged = HttpResponse(status=304, headers=headers)
        del unchanged.headers["Content-Type"]
        return unchanged
    try:
        part = _wanted_part(request, etag, size=audio.size)
    except NotThereError:
        size = audio.size
        audio.close()
        sentence = f"The recording has {size} bytes. Ask for a part of them."
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(dump_json({"detail": sentence}), "application/json", status=416, headers=headers)
    return _send(request, audio, part, headers)


def _is_known(header: str, etag: str) -> bool:
    known = [each.strip().removeprefix("W/") for each in header.split(",")]
    return etag in known or known == ["*"]


def _wanted_part(request: Request, etag: str, *, size: int) -> Part | None:
    wanted = request.headers.get("Range", "")
    condition = request.headers.get("If-Range")
    if request.method == "HEAD" or not wanted or (condition is not None and condition.strip() != etag):
        return None
    return parse_range(wanted, size=size)


def _send(request: Request, audio: File[bytes], part: Part | None, headers: dict[str, str]) -> HttpResponseBase:
    size = audio.size
    whole = Part(0, size - 1)
    sent = part or whole
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    headers["Content-Length"] = str(sent.last - sent.first + 1)
    if request.method == "HEAD":
        audio.close()
        return HttpResponse(headers=headers, content_type="audio/mpeg")
    status = 206 if part else 200
    return StreamingHttpResponse(Pieces(audio, sent), status=status, headers=headers, content_type="audio/mpeg")


class Pieces:
    """A part of a file, piece by piece. Django closes it with the answer, even where nobody has read from it."""

    def __init__(self, audio: File[bytes], part: Part) -> None:
        self._audio, self._part = audio, part

    def __iter__(self) -> Iterator[bytes]:
        left = self._part.last - self._part.first + 1
        self._audio.seek(self._part.first)
        while left > 0 and (piece := self._audio.read(min(PIECE, left))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """Give the file back."""
        self._audio.close()
