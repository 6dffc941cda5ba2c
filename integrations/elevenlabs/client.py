"""The client of ElevenLabs' HTTP API: one method per endpoint, small values back, ProviderError where it failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from django.conf import settings

from aispinner.core import metrics
from integrations.elevenlabs.errors import provider_error
from integrations.elevenlabs.schemas import (
    AccountInfo,
    AgentSummary,
    Batch,
    ConversationSummary,
    OutgoingRecipient,
    Page,
    PhoneNumber,
    PlacedCall,
    Subscription,
    Webhook,
    items,
    mapping,
    number,
    required_text,
    unreadable,
)
from integrations.errors import ProviderError, Reason
from integrations.http import MAX_JSON_BYTES, Reply, Request, lost, open_stream, send

MAX_AUDIO_BYTES = 256 * 1024 * 1024
_MAX_ERROR_BYTES = 1024 * 1024
_MAX_PAGES = 10_000
_TWILIO, _SIP = "twilio", "sip_trunk"


class ElevenLabsClient:
    """Speaks with one API key. Connections are shared by all clients of the process.

    Every method may raise ProviderError; nothing is ever tried twice.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._api_key = api_key
        self._base_url = (base_url or settings.ELEVENLABS_BASE_URL).rstrip("/")

    def __repr__(self) -> str:
        return "ElevenLabsClient()"

    # --- The account -----------------------------------------------------------------------------

    def account(self) -> AccountInfo:
        """Whose key this is (GET /v1/user).

        A key without the `user_read` permission may not ask; it is then checked against the agents, and known by a
        digest of itself.
        """
        try:
            return AccountInfo.parse(mapping(self._json("GET", "/v1/user")))
        except ProviderError as error:
            if error.reason is not Reason.NOT_ALLOWED:
                raise
        self.check_agents_readable()
        return AccountInfo(external_id="key_" + sha256(self._api_key.encode()).hexdigest()[:32])

    def check_agents_readable(self) -> None:
        """ProviderError NOT_ALLOWED where the key lacks the permission for agents: it is then of no use here."""
        self._json("GET", "/v1/convai/agents", params={"page_size": 1})

    def subscription(self) -> Subscription:
        """GET /v1/user/subscription."""
        return Subscription.parse(mapping(self._json("GET", "/v1/user/subscription")))

    def live_count(self) -> int:
        """Conversations going on now in the whole account (GET /v1/convai/analytics/live-count)."""
        return round(number(mapping(self._json("GET", "/v1/convai/analytics/live-count")), "count"))

    # --- Agents ----------------------------------------------------------------------------------

    def list_agents(self) -> Iterator[AgentSummary]:
        """All agents, page by page (GET /v1/convai/agents)."""
        for item in self._pages("/v1/convai/agents", {"page_size": 100}, items_name="agents"):
            yield AgentSummary.parse(item)

    def get_agent(self, agent_id: str) -> dict[str, Any]:
        """The whole agent as the provider describes it (GET /v1/convai/agents/{id})."""
        agent = mapping(self._json("GET", "/v1/convai/agents/" + _part(agent_id)))
        required_text(agent, "agent_id")
        return agent

    def signed_url(self, agent_id: str) -> str:
        """A `wss://` address that talks to the agent, good for 15 minutes. It is a secret."""
        params = {"agent_id": agent_id}
        answer = self._json("GET", "/v1/convai/conversation/get-signed-url", params=params)
        return required_text(mapping(answer), "signed_url")

    # --- Phone numbers ---------------------------------------------------------------------------

    def list_phone_numbers(self) -> list[PhoneNumber]:
        """All numbers of the account (GET /v1/convai/phone-numbers, which has no pages)."""
        return [PhoneNumber.parse(item) for item in items(self._json("GET", "/v1/convai/phone-numbers"))]

    def get_phone_number(self, phone_number_id: str) -> PhoneNumber:
        """GET /v1/convai/phone-numbers/{id}."""
        path = "/v1/convai/phone-numbers/" + _part(phone_number_id)
        return PhoneNumber.parse(mapping(self._json("GET", path)))

    def create_twilio_number(self, *, phone_number: str, label: str, sid: str, token: str) -> str:
        """Register a Twilio number; returns its id (POST /v1/convai/phone-numbers)."""
        body = {"provider": _TWILIO, "phone_number": phone_number, "label": label, "sid": sid, "token": token}
        return self._create_number(body)

    def create_sip_number(
        self, *, phone_number: str, label: str, address: str, username: str = "", password: str = ""
    ) -> str:
        """Register a number on a SIP trunk at `address` (`host` or `host:port`); returns its id."""
        trunk: dict[str, Any] = {"address": address}
        if username:
            trunk["credentials"] = {"username": username, "password": password or None}
        body = {"provider": _SIP, "phone_number": phone_number, "label": label, "outbound_trunk_config": trunk}
        return self._create_number(body)

    def _create_number(self, body: Mapping[str, Any]) -> str:
        return required_text(mapping(self._json("POST", "/v1/convai/phone-numbers", body=body)), "phone_number_id")

    def assign_agent(self, phone_number_id: str, agent_id: str | None) -> None:
        """Make `agent_id` answer the number; None: nobody (PATCH /v1/convai/phone-numbers/{id})."""
        path = "/v1/convai/phone-numbers/" + _part(phone_number_id)
        self._json("PATCH", path, body={"agent_id": agent_id})

    # --- Batch calling ---------------------------------------------------------------------------

    def submit_batch(
        self,
        *,
        call_name: str,
        agent_id: str,
        agent_phone_number_id: str,
        recipients: Sequence[OutgoingRecipient],
        target_concurrency_limit: int,
    ) -> Batch:
        """Have `recipients` (at most 10,000) dialled from now on (POST /v1/convai/batch-calling/submit).

        Nothing makes this idempotent: after an UNKNOWN, look the batch up by `call_name` before submitting again.
        """
        body = {
            "call_name": call_name,
            "agent_id": agent_id,
            "agent_phone_number_id": agent_phone_number_id,
            "recipients": [recipient.body() for recipient in recipients],
            "target_concurrency_limit": target_concurrency_limit,
        }
        return Batch.parse(mapping(self._json("POST", "/v1/convai/batch-calling/submit", body=body)))

    def list_batches(self, *, agent_id: str, until: datetime | None = None) -> Iterator[Batch]:
        """The account's batches of an agent, without recipients, newest first, paged to the end.

        With `until`, those created before it are left out. The order of pages is not documented, so the rest is left
        unread only where what was read so far came in falling order.
        """
        params = {"agent_id": agent_id, "limit": 100}
        previous: datetime | None = None
        falls = rises = False
        for item in self._pages(
            "/v1/convai/batch-calling/workspace",
            params,
            items_name="batch_calls",
            sent_as="last_doc",
            cursor_name="next_doc",
        ):
            batch = Batch.parse(item)
            falls = falls or (previous is not None and batch.created_at < previous)
            rises = rises or (previous is not None and batch.created_at > previous)
            previous = batch.created_at
            if until is None or batch.created_at >= until:
                yield batch
            elif falls and not rises:
                return

    def get_batch(self, batch_id: str) -> Batch:
        """A batch with all its recipients (GET /v1/convai/batch-calling/{id})."""
        return Batch.parse(mapping(self._json("GET", "/v1/convai/batch-calling/" + _part(batch_id))))

    def cancel_batch(self, batch_id: str) -> None:
        """Take back what was not dialled yet; calls that are up go on (POST /v1/convai/batch-calling/{id}/cancel)."""
        self._json("POST", f"/v1/convai/batch-calling/{_part(batch_id)}/cancel")

    # --- Single calls ----------------------------------------------------------------------------

    def outbound_call(
        self, *, carrier: str, agent_id: str, agent_phone_number_id: str, recipient: OutgoingRecipient
    ) -> PlacedCall:
        """Dial one number now over `carrier` (`twilio` or `sip_trunk`). Not idempotent either."""
        path = f"/v1/convai/{'twilio' if carrier == _TWILIO else 'sip-trunk'}/outbound-call"
        body = {
            "agent_id": agent_id,
            "agent_phone_number_id": agent_phone_number_id,
            "to_number": recipient.phone_number,
            "conversation_initiation_client_data": recipient.body()["conversation_initiation_client_data"],
        }
        return PlacedCall.parse(mapping(self._json("POST", path, body=body)))

    # --- Conversations ---------------------------------------------------------------------------

    def list_conversations(
        self,
        *,
        agent_id: str | None = None,
        user_id: str | None = None,
        started_after: datetime | None = None,
        without: Sequence[str] = (),
        oldest_first: bool = False,
    ) -> Iterator[ConversationSummary]:
        """Conversations by their start, newest first, `without` those of some statuses, page by page (GET
        /v1/convai/conversations).
        """
        params: dict[str, Any] = {"page_size": 100}
        if oldest_first:
            params["sort_direction"] = "asc"
        if agent_id is not None:
            params["agent_id"] = agent_id
        if user_id is not None:
            params["user_id"] = user_id
        if started_after is not None:
            params["call_start_after_unix"] = int(started_after.timestamp())
        if without:
            params["exclude_statuses"] = list(without)
        for item in self._pages("/v1/convai/conversations", params, items_name="conversations"):
            yield ConversationSummary.parse(item)

    def get_conversation(self, conversation_id: str) -> dict[str, Any]:
        """The whole conversation, for `events.report_from_conversation` (GET /v1/convai/conversations/{id})."""
        conversation = mapping(self._json("GET", "/v1/convai/conversations/" + _part(conversation_id)))
        required_text(conversation, "conversation_id")
        required_text(conversation, "status")
        return conversation

    def conversation_audio(self, conversation_id: str) -> Iterator[bytes]:
        """The recording's MP3 bytes in pieces, at most 256 MB (GET /v1/convai/conversations/{id}/audio).

        Asked for at the first piece; a recording that breaks off raises ProviderError in the middle.
        """
        request = self._request("GET", f"/v1/convai/conversations/{_part(conversation_id)}/audio")
        with open_stream(request) as (status, headers, chunks):
            if not 200 <= status < 300:
                body = b"".join(_capped(request, chunks, limit=_MAX_ERROR_BYTES))
                raise provider_error(request, Reply(status=status, headers=headers, body=body))
            yield from _capped(request, chunks, limit=MAX_AUDIO_BYTES)

    # --- Webhooks and settings -------------------------------------------------------------------

    def list_webhooks(self) -> list[Webhook]:
        """The account's webhooks, without their secrets (GET /v1/workspace/webhooks)."""
        answer = mapping(self._json("GET", "/v1/workspace/webhooks"))
        return [Webhook.parse(item) for item in items(answer.get("webhooks"))]

    def create_webhook(self, *, name: str, url: str) -> Webhook:
        """Create an HMAC-signed webhook; the answer holds its secret, this once (POST /v1/workspace/webhooks)."""
        body = {"settings": {"auth_type": "hmac", "name": name, "webhook_url": url}}
        webhook = Webhook.parse(mapping(self._json("POST", "/v1/workspace/webhooks", body=body)))
        return replace(webhook, url=url, name=name)

    def have_webhook_retried(self, webhook: Webhook) -> None:
        """Have failed deliveries repeated, which is off at first (PATCH /v1/workspace/webhooks/{id})."""
        body = {"name": webhook.name, "is_disabled": False, "retry_enabled": True}
        self._json("PATCH", "/v1/workspace/webhooks/" + _part(webhook.id), body=body)

    def delete_webhook(self, webhook_id: str) -> None:
        """DELETE /v1/workspace/webhooks/{id}."""
        self._json("DELETE", "/v1/workspace/webhooks/" + _part(webhook_id))

    def get_convai_settings(self) -> dict[str, Any]:
        """GET /v1/convai/settings."""
        return mapping(self._json("GET", "/v1/convai/settings"))

    def patch_convai_settings(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH /v1/convai/settings."""
        return mapping(self._json("PATCH", "/v1/convai/settings", body=changes))

    # --- The wire --------------------------------------------------------------------------------

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Request:
        headers = {"xi-api-key": self._api_key, "Accept": "*/*", "User-Agent": "aispinner-telephony"}
        return Request(method=method, base_url=self._base_url, path=path, headers=headers, params=params, body=body)

    def _json(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        try:
            answer = self._ask(method, path, params=params, body=body)
        except ProviderError as error:
            metrics.count("provider_answers", answer=error.answer.value, reason=error.reason.value)
            raise
        metrics.count("provider_answers", answer="done", reason="")
        return answer

    def _ask(self, method: str, path: str, *, params: Mapping[str, Any] | None, body: Any) -> Any:
        request = self._request(method, path, params=params, body=body)
        reply = send(request, max_bytes=MAX_JSON_BYTES)
        if not 200 <= reply.status < 300:
            raise provider_error(request, reply)
        if reply.status == 204 or (method == "DELETE" and not reply.body):
            return {}
        try:
            return reply.json()
        except ValueError:
            raise lost(request, status=reply.status) from None

    def _pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        items_name: str,
        sent_as: str = "cursor",
        cursor_name: str = "next_cursor",
    ) -> Iterator[dict[str, Any]]:
        asked: set[str] = set()
        page_params = dict(params)
        for _ in range(_MAX_PAGES):
            page = Page.parse(
                self._json("GET", path, params=page_params), items_name=items_name, cursor_name=cursor_name
            )
            yield from page.items
            if page.cursor is None:
                return
            if page.cursor in asked:
                break
            asked.add(page.cursor)
            page_params[sent_as] = page.cursor
        raise unreadable()  # pages that go round in a circle have no end to reach


def _part(value: str) -> str:
    """An id as one segment of a path."""
    return quote(value, safe="") or "-"


def _capped(request: Request, chunks: Iterator[bytes], *, limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise lost(request)
        yield chunk
