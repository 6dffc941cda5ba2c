"""Streams and sockets: who serves them, and how they end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.serving.conftest import Server, Start

APP = ("--application", "tests.serving.app:application")
STREAM = b"Host: x\r\nAccept: text/event-stream\r\n\r\n"


def test_a_stream_goes_to_async_code_by_its_accept_header(server: Server) -> None:
    with server.raw() as connection:
        connection.sendall(b"GET /ticks/abc HTTP/1.1\r\n" + STREAM)
        assert b"data: abc" in read_until(connection, b"data: abc")
    response, body = server.get("/ticks/abc", Accept="application/json")
    assert json.loads(body)["PATH_INFO"] == "/ticks/abc"
    assert response.headers["content-type"] == "application/json"


def test_a_stream_that_is_no_stream_goes_to_django(server: Server) -> None:
    _, body = server.get("/elsewhere", Accept="text/event-stream")
    assert json.loads(body)["PATH_INFO"] == "/elsewhere"
    _, body = server.get("/ticks/abc", method="POST", Accept="text/event-stream")
    assert json.loads(body)["REQUEST_METHOD"] == "POST"


def test_a_stream_that_crashes_at_once_is_a_500(server: Server) -> None:
    response, body = server.get("/crashing", Accept="text/event-stream")
    assert response.status == 500
    assert "detail" in json.loads(body)
    assert "must_not_be_logged" not in server.log.read_text()


def test_a_socket_is_answered(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/ws/echo") as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"


def test_an_unknown_socket_is_told_why_it_is_closed(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/ws/nowhere") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404
    assert closed.value.rcvd.reason == "There is no socket at this path."


def test_sockets_are_answered_while_every_thread_is_busy(server: Server) -> None:
    busy = [server.raw() for _ in range(4)]
    for connection in busy:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    with connect(f"ws://127.0.0.1:{server.port}/ws/echo") as socket:
        started = time.monotonic()
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
        assert time.monotonic() - started < 0.5
    for connection in busy:
        assert b"slow" in read_until(connection, b"slow")
        connection.close()


def test_stopping_ends_streams_and_sockets_and_lets_requests_finish(launch: Start) -> None:
    server = launch(*APP)
    with server.raw() as stream, server.raw() as deaf, server.raw() as slow:
        stream.sendall(b"GET /ticks/abc HTTP/1.1\r\n" + STREAM)
        read_until(stream, b"data: abc")
        deaf.sendall(b"GET /deaf HTTP/1.1\r\n" + STREAM)
        read_until(deaf, b"begun")
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        with connect(f"ws://127.0.0.1:{server.port}/ws/echo") as socket:
            time.sleep(0.2)  # the slow request is under way
            took = server.stop()
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=5)
        assert b"event: bye" in read_until(stream, b"0\r\n\r\n")
        assert read_until(deaf, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
        assert b'"slow"' in read_until(slow, b"slow")
    assert took < 3
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert server.process.returncode == 0


def test_no_worker_survives_a_main_process_that_was_killed(launch: Start) -> None:
    server = launch(*APP, "--workers", "2")
    workers = server.workers()
    assert len(workers) >= 2
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    until = time.monotonic() + 5
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_port_that_is_taken_is_said_in_a_sentence(server: Server, launch: Start) -> None:
    with pytest.raises(AssertionError, match="Cannot listen on") as refused:
        launch(*APP, "--port", str(server.port))
    assert "Traceback" not in str(refused.value)


def is_running(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def read_until(connection: object, marker: bytes) -> bytes:
    """What comes until `marker` has come, or the end."""
    received = b""
    while marker not in received and (part := connection.recv(4096)):  # type: ignore[attr-defined]
        received += part
    return received


def test_a_socket_hears_that_the_server_stops_also_when_nothing_else_is_open(launch: Start) -> None:
    server = launch("--application", "tests.serving.app:application")
    with connect(f"ws://127.0.0.1:{server.port}/ws/echo") as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
        server.process.terminate()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
