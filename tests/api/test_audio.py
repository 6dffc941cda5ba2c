"""Recordings: who hears them, in which parts, and that the provider is asked once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from aispinner.core.auth import issue_token
from aispinner.core.media import sign_media
from telephony import recordings
from telephony.api.audio import NotThereError, Part, parse_range
from telephony.models import Call, SessionKind, VoiceSession
from telephony.recordings import recording_name
from tests.api.conftest import Line
from tests.factories import make_key
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db

MP3 = bytes(range(256)) * 1000


@dataclass
class Provider:
    """ElevenLabs' end of the wire, as far as recordings go."""

    status: int = 200
    body: bytes = MP3
    announced: int | None = None  # more than is sent: the connection breaks off
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    wire = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wire.asked.append((self.path, self.headers["xi-api-key"]))
            self.send_response(wire.status)
            self.send_header("Content-Type", "audio/mpeg")
            self.send_header("Content-Length", str(wire.announced or len(wire.body)))
            self.end_headers()
            self.wfile.write(wire.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    settings.ELEVENLABS_BASE_URL = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield wire
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def call(line: Line) -> Call:
    return make_call(
        workspace=line.workspace, run=line.run(), account=line.key.account, has_audio=True, conversation_id="conv_1"
    )


@pytest.fixture
def kept(call: Call) -> Call:
    """A call whose recording is here already."""
    default_storage.save(recording_name(call), ContentFile(MP3))
    return call


def address(call: Call) -> str:
    return f"/telephony/calls/{call.call_id}/audio"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_a_recording_is_fetched_from_the_provider_once(
    as_viewer: APIClient, line: Line, call: Call, provider: Provider, media: Path
) -> None:
    for _ in range(2):
        response = as_viewer.get(address(call))
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "audio/mpeg"
        assert body(response) == MP3
    assert provider.asked == [("/v1/convai/conversations/conv_1/audio", line.key.key)]
    assert [path.name for path in media.rglob("*") if path.is_file()] == [f"{call.call_id}.mp3"]


def test_a_recording_that_a_bridge_is_about_to_store_is_waited_for(
    as_viewer: APIClient, call: Call, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    VoiceSession.objects.create(call=call, kind=SessionKind.WEB, opened_at=timezone.now(), ended_at=timezone.now())
    monkeypatch.setattr(recordings, "sleep", lambda _: recordings.store_recording(call, iter([b"both sides apart"])))
    assert body(as_viewer.get(address(call))) == b"both sides apart"
    assert not provider.asked


def test_a_recording_that_a_bridge_has_not_stored_is_fetched_from_the_provider(
    as_viewer: APIClient, call: Call, provider: Provider
) -> None:
    ended = timezone.now() - recordings.OURS_WITHIN
    VoiceSession.objects.create(call=call, kind=SessionKind.WEB, opened_at=ended, ended_at=ended)
    assert body(as_viewer.get(address(call))) == MP3


@pytest.mark.parametrize(("status", "answer"), [(500, 502), (401, 502), (429, 502), (404, 404)])
def test_a_provider_that_does_not_hand_it_over_is_502_and_leaves_nothing(
    as_viewer: APIClient, call: Call, provider: Provider, media: Path, status: int, answer: int
) -> None:
    provider.status, provider.body = status, b'{"detail": "their own words"}'
    response = as_viewer.get(address(call))
    assert response.status_code == answer
    assert "their own words" not in response.content.decode()
    assert not [path for path in media.rglob("*") if path.is_file()]


def test_a_recording_that_breaks_off_is_not_kept(
    as_viewer: APIClient, call: Call, provider: Provider, media: Path
) -> None:
    provider.announced = len(MP3) * 2
    assert as_viewer.get(address(call)).status_code == 502
    assert not [path for path in media.rglob("*") if path.is_file()]
    provider.announced = None
    assert body(as_viewer.get(address(call))) == MP3


def test_without_a_working_key_it_says_to_add_one(
    as_viewer: APIClient, line: Line, call: Call, provider: Provider
) -> None:
    line.key.status = "refused"
    line.key.save()
    response = as_viewer.get(address(call))
    assert response.status_code == 502
    assert "key" in response.json()["detail"]
    assert provider.asked == []


def test_a_call_without_recording_says_so(as_viewer: APIClient, line: Line, provider: Provider) -> None:
    response = as_viewer.get(address(make_call(workspace=line.workspace)))
    assert (response.status_code, response.json()["detail"]) == (404, "This call has no recording.")


def test_a_bearer_token_in_the_address_opens_it(viewer: User, kept: Call) -> None:
    _, token = issue_token(user=viewer)
    assert body(APIClient().get(address(kept), {"token": token})) == MP3


def test_a_strangers_token_in_the_address_does_not(stranger: User, kept: Call) -> None:
    _, token = issue_token(user=stranger)
    assert APIClient().get(address(kept), {"token": token}).status_code == 404


def test_the_token_of_this_call_opens_it_and_no_other_does(line: Line, kept: Call) -> None:
    other = make_call(workspace=line.workspace, has_audio=True)
    assert body(APIClient().get(address(kept), {"token": sign_media(kept.call_id)})) == MP3
    assert APIClient().get(address(kept), {"token": sign_media(other.call_id)}).status_code == 401
    assert APIClient().get(address(other), {"token": sign_media(kept.call_id)}).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "%00", "a:b:c", "é" * 50, "x" * 5000])
def test_rubbish_for_a_token_is_refused(kept: Call, token: str) -> None:
    response = APIClient().get(address(kept), {"token": token})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_range_gets_its_part(as_viewer: APIClient, kept: Call) -> None:
    response = as_viewer.get(address(kept), headers={"Range": "bytes=1000-1999"})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes 1000-1999/{len(MP3)}"
    assert response.headers["Content-Length"] == "1000"
    assert body(response) == MP3[1000:2000]


def test_a_range_beyond_the_end_is_416_with_the_size(as_viewer: APIClient, kept: Call) -> None:
    response = as_viewer.get(address(kept), headers={"Range": f"bytes={len(MP3)}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(MP3)}"
    assert response.json()["detail"]


@pytest.mark.parametrize("accept", ["audio/mpeg", "audio/webm,audio/*;q=0.9", "*/*"])
def test_a_player_may_accept_audio_only(as_viewer: APIClient, line: Line, kept: Call, accept: str) -> None:
    assert body(as_viewer.get(address(kept), headers={"Accept": accept})) == MP3
    refused = as_viewer.get(address(make_call(workspace=line.workspace)), headers={"Accept": accept})
    assert (refused.status_code, refused.json()["detail"]) == (404, "This call has no recording.")


def test_another_key_of_the_account_serves_where_the_campaigns_is_refused(
    as_viewer: APIClient, line: Line, call: Call, provider: Provider
) -> None:
    line.key.status = "refused"
    line.key.save()
    make_key(workspace=line.workspace)
    newer = make_key(workspace=line.workspace, account=line.key.account)
    assert body(as_viewer.get(address(call))) == MP3
    assert [key for _, key in provider.asked] == [newer.key]


def test_head_tells_the_size_and_sends_nothing(as_viewer: APIClient, kept: Call) -> None:
    response = as_viewer.head(address(kept))
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(len(MP3))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert body(response) == b""


def test_a_known_recording_is_not_sent_again(as_viewer: APIClient, kept: Call) -> None:
    etag = as_viewer.head(address(kept)).headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        response = as_viewer.get(address(kept), headers={"If-None-Match": known})
        assert (response.status_code, response.headers["ETag"], response.content) == (304, etag, b"")
    assert body(as_viewer.get(address(kept), headers={"If-None-Match": '"other"'})) == MP3


def test_a_part_is_sent_only_of_what_the_listener_has(as_viewer: APIClient, kept: Call) -> None:
    etag = as_viewer.head(address(kept)).headers["ETag"]
    for condition, status in (
        (etag, 206),
        ('"other"', 200),
        (f"W/{etag}", 200),
        ("Mon, 04 May 2026 10:00:00 GMT", 200),
    ):
        response = as_viewer.get(address(kept), headers={"Range": "bytes=0-9", "If-Range": condition})
        assert (response.status_code, len(body(response))) == (status, 10 if status == 206 else len(MP3))


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", Part(0, 99)),
        ("bytes=0-0", Part(0, 0)),
        ("bytes=10-19", Part(10, 19)),
        ("bytes=90-1000", Part(90, 99)),
        ("bytes=-10", Part(90, 99)),
        ("bytes=-1000", Part(0, 99)),
        ("Bytes= 5-6", Part(5, 6)),
        ("bytes=-", None),
        ("bytes=6-5", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 50 + "-", None),
        ("", None),
    ],
)
def test_range_headers_are_read_as_the_rfc_says(header: str, part: Part | None) -> None:
    assert parse_range(header, size=100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_that_is_not_there_is_told_apart(header: str) -> None:
    with pytest.raises(NotThereError):
        parse_range(header, size=100)
