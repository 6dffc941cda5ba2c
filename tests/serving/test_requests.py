"""What goes through the bridge between ASGI and WSGI, over real sockets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from tests.serving.app import LIMIT
from tests.serving.conftest import Server


def environ(server: Server, raw: bytes) -> dict[str, Any]:
    """What the application was given for this request."""
    return dict(json.loads(exchange(server, raw).split(b"\r\n\r\n", 1)[1]))


def exchange(server: Server, raw: bytes) -> bytes:
    """Everything the server answers to these bytes, until it closes the connection."""
    with server.raw() as connection:
        connection.sendall(raw)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_the_environment_is_that_of_pep_3333(server: Server) -> None:
    given = environ(
        server,
        b"GET /caf%C3%A9%20%2F/%ff?q=%00&b=a%20b HTTP/1.1\r\nHost: example.org:1\r\nConnection: close\r\n"
        b"Accept-Language: de\r\nX-Latin: \xe9\r\n\r\n",
    )
    assert given["PATH_INFO"] == "/café //".encode().decode("latin-1") + "\xff"
    assert given["SCRIPT_NAME"] == ""
    assert given["QUERY_STRING"] == "q=%00&b=a%20b"
    assert given["REQUEST_METHOD"] == "GET"
    assert given["HTTP_HOST"] == "example.org:1"
    assert given["HTTP_X_LATIN"] == "\xe9"
    assert given["SERVER_PORT"] == str(server.port)
    assert given["REMOTE_ADDR"] == "127.0.0.1"
    assert given["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "CONTENT_LENGTH" not in given


def test_a_header_name_with_an_underscore_does_not_pass_for_another(server: Server) -> None:
    given = environ(
        server,
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX_Forwarded_Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"Content_Length: 5\r\n\r\n",
    )
    assert "HTTP_X_FORWARDED_PROTO" not in given
    assert given["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"
    assert "CONTENT_LENGTH" not in given
    assert "HTTP_CONTENT_LENGTH" not in given


def test_repeated_headers_are_joined_as_their_kind_asks(server: Server) -> None:
    given = environ(
        server,
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=1\r\nCookie: b=2\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n",
    )
    assert given["HTTP_COOKIE"] == "a=1; b=2"
    assert given["HTTP_X_TWO"] == "1,2"


def test_repeated_answer_headers_stay_apart(server: Server) -> None:
    response, _ = server.get("/cookies")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]


def test_head_has_the_headers_of_get_and_no_body(server: Server) -> None:
    answer = exchange(server, b"HEAD /cookies HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-length: 2" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_head_of_a_stream_takes_nothing_from_it(server: Server) -> None:
    before = counts(server)
    exchange(server, b"HEAD /endless HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert counts(server) == {"produced": before["produced"], "closed": before["closed"] + 1}


def test_a_large_upload_arrives_whole(server: Server) -> None:
    body = bytes(range(256)) * (6 * 4096)  # 6 MB: through the disk
    with server.connection() as connection:
        connection.request("POST", "/upload", body=body)
        told = json.loads(connection.getresponse().read())
        assert told == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest(), "announced": str(len(body))}


def test_a_chunked_upload_arrives_whole_with_its_length(server: Server) -> None:
    parts = [b"a" * 70_000, b"b", b"c" * 3_000_000]

    def body() -> Iterator[bytes]:
        yield from parts

    with server.connection() as connection:
        connection.request(
            "POST", "/upload", body=body(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        told = json.loads(connection.getresponse().read())
        whole = b"".join(parts)
        assert told == {"length": len(whole), "sha256": hashlib.sha256(whole).hexdigest(), "announced": str(len(whole))}


def test_an_upload_announced_too_large_is_refused_unread(server: Server) -> None:
    answer = exchange(
        server, f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode() + b"only a little"
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["detail"].startswith("The request is larger than 8 MB")
    assert b"x-request-id: " in answer


def test_an_upload_that_grows_too_large_is_refused(server: Server) -> None:
    with server.raw() as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(LIMIT // 65536 + 1):
            connection.sendall(part)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_an_upload_that_breaks_off_reaches_nobody(server: Server) -> None:
    with server.raw() as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc")
    assert server.get("/")[0].status == 200


def test_a_length_that_contradicts_itself_is_refused(server: Server) -> None:
    answer = exchange(server, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    assert answer.startswith(b"HTTP/1.1 400")


def test_requests_sent_at_once_are_answered_in_order(server: Server) -> None:
    first = b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = exchange(server, first + first.replace(b"first", b"second") + last)
    order = [answer.index(path) for path in (b"/first", b"/second", b"/last")]
    assert answer.count(b"HTTP/1.1 200") == 3
    assert order == sorted(order)


def test_a_connection_is_used_again(server: Server) -> None:
    with server.connection() as connection:
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read()


def test_a_slow_client_does_not_fill_the_memory(server: Server) -> None:
    before = counts(server)["produced"]
    with server.raw() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1)
        settled = -1
        while (produced := counts(server)["produced"] - before) != settled:
            settled = produced
            time.sleep(0.3)
        assert settled * 65536 < 32 * 1024 * 1024


def test_a_stream_ends_when_its_client_goes_away(server: Server) -> None:
    closed = counts(server)["closed"]
    with server.raw() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(65536)
    until = time.monotonic() + 10
    while counts(server)["closed"] == closed:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_streams_nobody_reads_do_not_hold_up_requests(server: Server) -> None:
    stuck = [server.raw() for _ in range(4)]  # twice as many as there are threads
    for connection in stuck:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1)
    assert server.get("/")[0].status == 200
    for connection in stuck:
        connection.close()


def test_a_stream_that_breaks_off_is_seen_to(server: Server) -> None:
    answer = exchange(server, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"begun" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_crash_is_a_500_and_the_connection_lives_on(server: Server) -> None:
    with server.connection() as connection:
        connection.request("GET", "/crash")
        response = connection.getresponse()
        assert response.status == 500
        assert json.loads(response.read()) == {"detail": "Something went wrong on our side."}
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        assert "must_not_be_logged" not in server.log.read_text()


def counts(server: Server) -> dict[str, int]:
    """What the endless stream has counted."""
    return dict(json.loads(server.get("/counts")[1]))
