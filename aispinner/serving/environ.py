"""From an ASGI scope to the WSGI environment of PEP 3333, letting nothing through that means two things."""

from __future__ import annotations

import sys
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from aispinner.serving.asgi_types import Scope

BLOCK = 64 * 1024  # bytes


class FileBlocks:
    """`wsgi.file_wrapper`: a file in blocks worth a hand-over between threads (Django's own are of 4 KB)."""

    def __init__(self, file: IO[bytes], block_size: int = BLOCK) -> None:
        self._file = file
        self._block_size = max(block_size, BLOCK)

    def __iter__(self) -> FileBlocks:
        return self

    def __next__(self) -> bytes:
        if block := self._file.read(self._block_size):
            return block
        raise StopIteration

    def close(self) -> None:
        """Close the file; Django hangs the end of its request on this."""
        self._file.close()


def make_environ(scope: Scope, *, body: IO[bytes], length: int) -> dict[str, Any]:
    """The environment for `scope`, whose whole body of `length` bytes is in `body`."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", "").encode().decode("latin-1"),
        "PATH_INFO": _path(scope),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": FileBlocks,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    # The body has been read to its end, however it came: its length is known, and it is not chunked any more.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("CONTENT_LENGTH", None)
    if length or scope["method"] in {"POST", "PUT", "PATCH"}:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _path(scope: Scope) -> str:
    """The percent-decoded bytes of the path as latin-1, as PEP 3333 asks for; below the mount point."""
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw).decode("latin-1") if raw else scope["path"].encode().decode("latin-1")
    root: str = scope.get("root_path", "").encode().decode("latin-1")
    return path.removeprefix(root) if root else path


def _add_headers(environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        if b"_" in raw_name:  # X_Forwarded_For would become what X-Forwarded-For becomes, past the proxy
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        if name in environ:
            separator = "; " if name == "HTTP_COOKIE" else ","
            value = f"{environ[name]}{separator}{value}"
        environ[name] = value
