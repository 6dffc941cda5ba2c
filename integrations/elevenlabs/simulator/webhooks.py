"""Signed webhooks: built once, delivered beside the playing of calls, with faults and the provider's retry schedule."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from .audio import Recordings
from .diary import Diary
from .faults import Faults
from .world import Account, Conversation, Webhook, World, new_id

Json = dict[str, Any]
RETRY_AFTER_SECS = (0, 30, 120, 480, 1800)
_RETRIED = frozenset({408, 429, *range(500, 600)})
_TIMEOUT_SECS = 10.0
_AT_ONCE = 32
_QUEUE_LIMIT = 100
_NEVER_SUCCEEDED_DAYS = 7
_HEALTH = ("is_auto_disabled", "last_failure_code", "last_failure_at", "last_success_at", "failures_in_a_row")
_EVENT_NAMES = {
    "post_call_transcription": "transcript",
    "post_call_audio": "audio",
    "call_initiation_failure": "call_initiation_failure",
}


def signature_header(*, secret: str, body: bytes, now: int) -> str:
    """`t=<unix seconds>,v0=<hex>`; HMAC-SHA256 over `"{t}." + body`, the secret as UTF-8."""
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v0={digest}"


def acceptable_url(url: str) -> bool:
    """https anywhere; plain http for loopback only, so that a local server can be told."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        return False
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


@dataclass
class Delivery:
    """What became of one webhook; `attempts` are (real Unix time, HTTP status or 0 where none came)."""

    account: str
    webhook_id: str
    type: str
    conversation_id: str
    event_timestamp: int
    faults: list[str] = field(default_factory=list)
    attempts: list[tuple[float, int]] = field(default_factory=list)
    state: str = "queued"


class UnansweredError(Exception):
    """Nobody answered, or not in HTTP."""


async def post(url: str, *, body: bytes, headers: dict[str, str], chunked: bool = False) -> int:
    """POST `body` and return the HTTP status; UnansweredError where none came in 10 seconds. No redirects."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECS):
            return await _post(url, body=body, headers=headers, chunked=chunked)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise UnansweredError from error


async def _post(url: str, *, body: bytes, headers: dict[str, str], chunked: bool) -> int:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    context = ssl.create_default_context() if secure else None
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in {**headers, **length}.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        for start in range(0, len(body), 65536):
            part = body[start : start + 65536]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        status_line = await reader.readuntil(b"\r\n")
        return int(status_line.split(b" ", 2)[1])
    except IndexError as error:
        raise ValueError("not HTTP") from error
    finally:
        writer.close()


class Notifier:
    """Sends what calls have to tell. Every delivery is a task of its own, so playing never waits for a receiver."""

    def __init__(self, world: World, faults: Faults, diary: Diary) -> None:
        self.deliveries: list[Delivery] = []
        self._diary = diary
        self._world = world
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._waiting: dict[str, int] = {}

    def webhook_for(self, account: Account, agent: Json, kind: str) -> Webhook | None:
        """The webhook that hears of `kind`: the agent's own, else the workspace's; None where nobody listens."""
        own = agent["platform_settings"]["workspace_overrides"]["webhooks"]
        attached = own if own.get("post_call_webhook_id") else account.settings["webhooks"]
        webhook = account.webhooks.get(attached.get("post_call_webhook_id") or "")
        if webhook is None or webhook.is_disabled or webhook.is_auto_disabled:
            return None
        wanted = set(attached.get("events") or [])
        if attached.get("send_audio"):
            wanted.add("audio")
        return webhook if _EVENT_NAMES[kind] in wanted else None

    def tell(self, account: Account, webhook: Webhook, payload: Json) -> None:
        """Queue `payload` (`{type, event_timestamp, data}`) for `webhook` and return at once."""
        delivery = Delivery(
            account=account.name,
            webhook_id=webhook.webhook_id,
            type=payload["type"],
            conversation_id=payload["data"]["conversation_id"],
            event_timestamp=payload["event_timestamp"],
        )
        self.deliveries.append(delivery)
        copies, delays = 1, [0.0]
        for rule, rng in self._faults.for_webhook(account=account.name, kind=delivery.type):
            delivery.faults.append(rule.fault)
            if rule.fault == "webhook_dropped":
                delivery.state = "dropped"
                return
            if rule.fault == "webhook_doubled":
                copies = 2
            if rule.fault == "webhook_delayed":
                delays = [rng.random() * rule.seconds, rng.random() * rule.seconds]
        body = orjson.dumps(payload)
        for copy in range(copies):
            self._send(webhook, delivery, body, at=time.time() + delays[copy % len(delays)])

    def resume(self, kept: dict[str, dict[str, Json]]) -> None:
        """Send what an earlier life of this world has not delivered."""
        for account in self._world.accounts.values():
            for webhook in account.webhooks.values():
                for name, value in kept.get("health", {}).get(webhook.webhook_id, {}).items():
                    setattr(webhook, name, value)
        for id_, notice in kept.get("notice", {}).items():
            delivery = Delivery(**notice["delivery"])
            hook = self._world.account(delivery.account).webhooks.get(delivery.webhook_id)
            self._diary.write(("notice", id_, None))
            if hook is not None:
                self._send(hook, delivery, notice["body"].encode(), at=notice["at"])

    def _send(self, webhook: Webhook, delivery: Delivery, body: bytes, *, at: float) -> None:
        """Deliver `body` at that moment; until it is over, it is kept."""
        id_ = new_id("notice_")
        if delivery.type != "post_call_audio":  # too large, and on record with the conversation
            self._diary.write(("notice", id_, {"delivery": delivery, "body": body.decode(), "at": at}))
        self._start(self._deliver(id_, webhook, delivery, body, at - time.time()))

    def tell_audio(self, account: Account, webhook: Webhook, call: Conversation, recordings: Recordings) -> None:
        """Queue `post_call_audio`; the recording is made beside the event loop."""
        self._start(self._tell_audio(account, webhook, call, recordings))

    async def _tell_audio(self, account: Account, webhook: Webhook, call: Conversation, recordings: Recordings) -> None:
        recording = await recordings.of(call)
        data = {
            "agent_id": call.agent_id,
            "conversation_id": call.id,
            "full_audio": base64.b64encode(recording).decode(),
        }
        self.tell(account, webhook, {"type": "post_call_audio", "event_timestamp": int(time.time()), "data": data})

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _start(self, coroutine: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, id_: str, webhook: Webhook, delivery: Delivery, body: bytes, delay: float) -> None:
        if delay > 0:
            await asyncio.sleep(delay)
        await self._try(webhook, delivery, body)
        self._diary.write(("notice", id_, None))

    async def _try(self, webhook: Webhook, delivery: Delivery, body: bytes) -> None:
        status = await self._attempt(webhook, delivery, body)
        if delivery.type != "post_call_transcription" or self._waiting.get(webhook.webhook_id, 0) >= _QUEUE_LIMIT:
            return
        self._waiting[webhook.webhook_id] = self._waiting.get(webhook.webhook_id, 0) + 1
        try:
            for pause in RETRY_AFTER_SECS[1:]:
                if not webhook.retry_enabled or not (status == 0 or status in _RETRIED):
                    return
                jitter = 1 + 0.1 * self._world.random("retry", delivery.conversation_id, pause).random()
                await asyncio.sleep(pause * jitter / self._world.speed)
                status = await self._attempt(webhook, delivery, body)
        finally:
            self._waiting[webhook.webhook_id] -= 1

    async def _attempt(self, webhook: Webhook, delivery: Delivery, body: bytes) -> int:
        headers = {
            **webhook.request_headers,
            "Content-Type": "application/json",
            "User-Agent": "ElevenLabs/1.0",
            "ElevenLabs-Signature": signature_header(secret=webhook.secret, body=body, now=int(time.time())),
        }
        async with self._gate:
            try:
                chunked = delivery.type == "post_call_audio"
                status = await post(webhook.url, body=body, headers=headers, chunked=chunked)
            except UnansweredError:
                status = 0
        delivery.attempts.append((time.time(), status))
        delivery.state = "delivered" if status == 200 or delivery.state == "delivered" else "failed"
        self._note_health(webhook, status)
        health = {name: getattr(webhook, name) for name in _HEALTH}
        self._diary.write(("health", webhook.webhook_id, health))
        return status

    @staticmethod
    def _note_health(webhook: Webhook, status: int) -> None:
        now = time.time()
        if status == 200:
            webhook.last_success_at = now
            webhook.failures_in_a_row = 0
            return
        webhook.failures_in_a_row += 1
        webhook.last_failure_code = status or None
        webhook.last_failure_at = int(now)
        since = now - (webhook.last_success_at or 0)
        if webhook.failures_in_a_row >= 10 and since > _NEVER_SUCCEEDED_DAYS * 86400:
            webhook.is_auto_disabled = True
