"""The one door to the network: pooled connections, limits of time and size, every failure said in our own words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLCertVerificationError
from typing import Any

import orjson
import requests
import structlog
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from integrations.errors import Answer, ProviderError, Reason

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_WAIT = timedelta(hours=1)
_POOL = 20
_CHUNK = 64 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What goes out. `path` may hold ids and is logged; `params` and `body` may hold more and never are."""

    method: str
    base_url: str
    path: str
    headers: Mapping[str, str]
    params: Mapping[str, Any] | None = None
    body: Any = None

    @property
    def changes_something(self) -> bool:
        return self.method not in _SAFE_METHODS


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:  # it refuses half a surrogate pair (a cut emoji), which a provider may well send
            return json.loads(self.body)


@cache
def _session() -> requests.Session:
    """One per process: no retries (a POST may place a call), no proxies from the environment, no cookies."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


os.register_at_fork(after_in_child=_session.cache_clear)  # a socket shared by two processes mixes up their answers


def longest_request() -> timedelta:
    """After this a request has been answered or given up (connecting, waiting for the answer, reading it)."""
    return timedelta(seconds=settings.ELEVENLABS_CONNECT_TIMEOUT + 2 * settings.ELEVENLABS_READ_TIMEOUT)


def send(request: Request, *, max_bytes: int = MAX_JSON_BYTES) -> Reply:
    """Send `request` once and read the whole answer.

    Raises ProviderError where there is none: NOT_DONE where it surely did not arrive, else UNKNOWN (NOT_DONE for a
    GET, which changes nothing).
    """
    with open_stream(request) as (status, headers, chunks):
        body = bytearray()
        deadline = time.monotonic() + settings.ELEVENLABS_READ_TIMEOUT
        for chunk in chunks:
            body += chunk
            if len(body) > max_bytes or time.monotonic() > deadline:
                raise lost(request, status=status)
    return Reply(status=status, headers=headers, body=bytes(body))


@contextmanager
def open_stream(request: Request) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
    """Send `request` once; yields status, headers and the body in pieces. Failures as in `send`."""
    began = time.monotonic()
    response = _start(request)
    log.debug(
        "provider_answered",
        method=request.method,
        path=request.path,
        status=response.status_code,
        took_ms=round((time.monotonic() - began) * 1000),
    )
    try:
        yield response.status_code, response.headers, _pieces(request, response)
    finally:
        response.close()


def _encoded(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # nothing has left us: it is as if the provider had refused it
        raise ProviderError(answer=Answer.REFUSED, reason=Reason.INVALID) from None


def _start(request: Request) -> requests.Response:
    headers = {**request.headers, "Accept-Encoding": "gzip"}
    data = None
    if request.body is not None:
        data = _encoded(request.body)
        headers["Content-Type"] = "application/json"
    try:
        return _session().request(
            request.method,
            request.base_url + request.path,
            params=request.params,
            data=data,
            headers=headers,
            timeout=(settings.ELEVENLABS_CONNECT_TIMEOUT, settings.ELEVENLABS_READ_TIMEOUT),
            allow_redirects=False,
            stream=True,
        )
    except requests.RequestException as error:
        failure = not_done() if _never_arrived(error) else lost(request)
        log.warning("provider_unreachable", method=request.method, path=request.path, answer=failure.answer.value)
        raise failure from None


def _pieces(request: Request, response: requests.Response) -> Iterator[bytes]:
    """As they arrive: waiting for whole blocks would let an answer that comes in drops outlast every limit."""
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            yield piece
    except (requests.RequestException, HTTPError):
        raise lost(request, status=response.status_code) from None


def _never_arrived(error: requests.RequestException) -> bool:
    """Whether no connection came about, so that not a byte of the request was sent."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, NewConnectionError):  # refused, unreachable, name unknown
        return True
    inner = cause.args[0] if isinstance(cause, HTTPError) and cause.args else cause
    return isinstance(inner, SSLCertVerificationError)


def not_done() -> ProviderError:
    """The request never reached the provider."""
    return ProviderError(answer=Answer.NOT_DONE, reason=Reason.PROVIDER_DOWN)


def lost(request: Request, *, status: int | None = None) -> ProviderError:
    """No readable answer: the request may have been carried out, unless it was one that changes nothing."""
    answer = Answer.UNKNOWN if request.changes_something else Answer.NOT_DONE
    return ProviderError(answer=answer, reason=Reason.PROVIDER_DOWN, status=status)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> timedelta | None:
    """How long these headers ask us to wait: `retry-after-ms`, else `Retry-After`; at most an hour."""
    milliseconds = headers.get("retry-after-ms", "").strip()
    if milliseconds.isascii() and milliseconds.isdigit():
        return min(timedelta(milliseconds=int(milliseconds[:12])), MAX_WAIT)
    return parse_retry_after(headers.get("Retry-After"), now=now or datetime.now(tz=UTC))


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """How long a provider asked us to wait (RFC 9110 §10.2.3: seconds or an HTTP date); None where it did not say.

    Never less than nothing, never more than an hour.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(timedelta(seconds=float(text[:12])), MAX_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    if until.tzinfo is None:  # "-0000", or none given: RFC 9110 dates are GMT
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), MAX_WAIT)
