"""What the simulator's tests share: a client with a key, a listener for webhooks, patience with a deadline."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx
from mutagen.mp3 import MP3

KEY = "sk_test_0123456789"
AGENT = "agent_xyz"
Json = dict[str, Any]
T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, within: float = 8.0) -> T:
    """The first truthy answer of `look`; fails the test when none came in time."""
    deadline = time.monotonic() + within
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def mp3_info(recording: bytes) -> Any:
    """`length` (seconds), `sample_rate` and `channels` of an MP3, read back by mutagen."""
    return MP3(io.BytesIO(recording)).info  # type: ignore[no-untyped-call]


def numbers(count: int, *, start: int = 0) -> list[str]:
    """Made-up numbers, all different."""
    return [f"+1555{start + index:07d}" for index in range(count)]


class Caller:
    """Speaks plain HTTP to the simulator, with a key."""

    def __init__(self, url: str, *, key: str = KEY) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"xi-api-key": key}, timeout=10, verify=False)

    def get(self, path: str, **params: Any) -> Any:
        response = self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None) -> Any:
        response = self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def reset(self, **changes: Any) -> None:
        self.post("/_sim/reset", {"seed": 1, "speed": 2000, "concurrency": 200, **changes})

    def script(self, **by_number: Any) -> None:
        self.post("/_sim/script", by_number)

    def faults(self, *rules: Json) -> None:
        self.post("/_sim/faults", {"rules": list(rules)})

    def fired(self) -> list[int]:
        return [rule["fired"] for rule in self.get("/_sim/faults")["rules"]]

    def sip_number_id(self) -> str:
        return str(self.get("/v1/convai/phone-numbers")[0]["phone_number_id"])

    def submission(self, called: list[str], **more: Any) -> Json:
        """A batch body; recipient ids and user ids are `r0`, `r1`, …"""
        recipients = [
            {
                "id": f"r{index}",
                "phone_number": number,
                "conversation_initiation_client_data": {
                    "user_id": f"u{index}",
                    "dynamic_variables": {"name": f"Person {index}"},
                },
            }
            for index, number in enumerate(called)
        ]
        ids = {"agent_id": AGENT, "agent_phone_number_id": self.sip_number_id()}
        return {"call_name": "A batch", **ids, "recipients": recipients, **more}

    def submit(self, called: list[str], **more: Any) -> str:
        return str(self.post("/v1/convai/batch-calling/submit", self.submission(called, **more))["id"])

    def batch(self, batch_id: str) -> Any:
        return self.get(f"/v1/convai/batch-calling/{batch_id}")

    def finished(self, batch_id: str) -> Any:
        """The batch once it is `completed`."""

        def look() -> Any:
            batch = self.batch(batch_id)
            return batch if batch["status"] == "completed" else None

        return eventually(look)

    def conversation(self, conversation_id: str) -> Any:
        return self.get(f"/v1/convai/conversations/{conversation_id}")

    def settled(self, conversation_id: str) -> Any:
        """The conversation once it is `done` or `failed`."""

        def look() -> Any:
            found = self.conversation(conversation_id)
            return found if found["status"] in ("done", "failed") else None

        return eventually(look)

    def call(self, number: str, **more: Any) -> Any:
        """One SIP outbound call, placed now."""
        ids = {"agent_id": AGENT, "agent_phone_number_id": self.sip_number_id(), "to_number": number}
        return self.post("/v1/convai/sip-trunk/outbound-call", {**ids, **more})

    def ledger(self) -> list[Json]:
        return list(self.get("/_sim/ledger")["entries"])

    def attach_webhook(self, url: str, **settings: Any) -> str:
        """Create a webhook, attach it to the workspace, return its secret."""
        create = {"settings": {"auth_type": "hmac", "name": "ours", "webhook_url": url}}
        created = self.post("/v1/workspace/webhooks", create)
        webhooks = {"post_call_webhook_id": created["webhook_id"], **settings}
        response = self.http.patch("/v1/convai/settings", json={"webhooks": webhooks})
        assert response.status_code == 200, response.text
        return str(created["webhook_secret"])


@dataclass
class Heard:
    """One webhook as it arrived."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """Takes webhooks in; answers with `statuses` one after the other, then 200."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.heard.append(Heard(headers=headers, body=body))
        return self.statuses.pop(0) if self.statuses else 200


def _read(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    parts: list[bytes] = []
    while size := int(handler.rfile.readline(), 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port of 127.0.0.1."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = _read(self)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(listener.take(headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()
