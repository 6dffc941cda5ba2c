"""Endpoints of the account: user, subscription, workspace webhooks and the agents platform's settings."""

from __future__ import annotations

import secrets
import time

from starlette.responses import Response

from . import shapes
from .agent_defaults import merged
from .api import Call, Endpoint, JsonResponse
from .checks import Field
from .errors import invalid_parameters, webhook_not_found
from .webhooks import acceptable_url
from .world import Webhook, new_id


async def get_user(call: Call) -> Response:
    return JsonResponse(shapes.user(call.account, key=call.key))


async def get_subscription(call: Call) -> Response:
    return JsonResponse(shapes.extended_subscription(call.account))


async def list_webhooks(call: Call) -> Response:
    usages = bool(call.query["include_usages"])
    hooks = [shapes.webhook(call.account, hook, usages=usages) for hook in call.account.webhooks.values()]
    return JsonResponse({"webhooks": hooks})


async def create_webhook(call: Call) -> Response:
    """The secret is in this answer and in no other."""
    settings = call.body["settings"]
    if not acceptable_url(settings["webhook_url"]):
        raise invalid_parameters("The webhook URL must use https.", param="webhook_url")
    hook = Webhook(
        webhook_id=new_id("", 32),
        name=settings["name"],
        url=settings["webhook_url"],
        secret=f"wsec_{secrets.token_hex(32)}",
        created_at=int(time.time()),
        request_headers=dict(settings.get("request_headers") or {}),
    )
    call.account.webhooks[hook.webhook_id] = hook
    call.sim.changed()
    return JsonResponse({"webhook_id": hook.webhook_id, "webhook_secret": hook.secret})


def _webhook(call: Call) -> Webhook:
    hook = call.account.webhooks.get(call.path("webhook_id"))
    if hook is None:
        raise webhook_not_found(call.path("webhook_id"))
    return hook


async def update_webhook(call: Call) -> Response:
    hook = _webhook(call)
    hook.is_disabled = call.body["is_disabled"]
    hook.name = call.body["name"]
    if call.body.get("retry_enabled") is not None:
        hook.retry_enabled = call.body["retry_enabled"]
    if call.body.get("request_headers") is not None:
        hook.request_headers = dict(call.body["request_headers"])
    if "events" in call.body:
        hook.events = call.body["events"]
    if not hook.is_disabled:
        hook.is_auto_disabled, hook.failures_in_a_row = False, 0
        call.sim.diary.write(("health", hook.webhook_id, None))
    call.sim.changed()
    return JsonResponse({"status": "ok"})


async def delete_webhook(call: Call) -> Response:
    hook = _webhook(call)
    del call.account.webhooks[hook.webhook_id]
    if call.account.settings["webhooks"]["post_call_webhook_id"] == hook.webhook_id:
        call.account.settings = merged(call.account.settings, {"webhooks": {"post_call_webhook_id": None}})
    call.sim.changed()
    return JsonResponse({"status": "ok"})


async def get_settings(call: Call) -> Response:
    return JsonResponse(call.account.settings)


async def update_settings(call: Call) -> Response:
    """Only what is sent changes; a workspace has one post-call webhook."""
    wanted = (call.body.get("webhooks") or {}).get("post_call_webhook_id")
    if wanted is not None and wanted not in call.account.webhooks:
        raise webhook_not_found(wanted)
    known = {key: value for key, value in call.body.items() if key in call.account.settings}
    call.account.settings = merged(call.account.settings, known)
    call.sim.changed()
    return JsonResponse(call.account.settings)


_EVENTS = (
    "transcript",
    "audio",
    "call_initiation_failure",
    "unredacted_transcript",
    "unredacted_audio",
    "answering_machine_detection",
)
_CREATE_WEBHOOK = {
    "settings": Field(
        "object",
        required=True,
        fields={
            "auth_type": Field(required=True, choices=("hmac",)),
            "name": Field(required=True),
            "webhook_url": Field(required=True),
            "request_headers": Field("object"),
        },
    )
}
_UPDATE_WEBHOOK = {
    "is_disabled": Field("bool", required=True),
    "name": Field(required=True),
    "retry_enabled": Field("bool"),
    "request_headers": Field("object"),
    "events": Field("list", item=Field()),
}
_UPDATE_SETTINGS = {
    "webhooks": Field(
        "object",
        nullable=False,
        fields={
            "post_call_webhook_id": Field(),
            "events": Field("list", nullable=False, item=Field(choices=_EVENTS)),
            "transcript_format": Field(nullable=False, choices=("json", "opentelemetry")),
            "send_audio": Field("bool"),
            "exclude_transcript": Field("bool"),
        },
    ),
    "conversation_initiation_client_data_webhook": Field("object", fields={"url": Field(required=True)}),
    "can_use_mcp_servers": Field("bool", nullable=False),
    "rag_retention_period_days": Field("int", nullable=False, maximum=30),
}

ENDPOINTS = (
    Endpoint("user.get", "GET", "/v1/user", get_user),
    Endpoint("user.subscription", "GET", "/v1/user/subscription", get_subscription),
    Endpoint(
        "webhooks.list",
        "GET",
        "/v1/workspace/webhooks",
        list_webhooks,
        query={"include_usages": Field("bool", default=False)},
    ),
    Endpoint("webhooks.create", "POST", "/v1/workspace/webhooks", create_webhook, body=_CREATE_WEBHOOK),
    Endpoint("webhooks.update", "PATCH", "/v1/workspace/webhooks/{webhook_id}", update_webhook, body=_UPDATE_WEBHOOK),
    Endpoint("webhooks.delete", "DELETE", "/v1/workspace/webhooks/{webhook_id}", delete_webhook),
    Endpoint("settings.get", "GET", "/v1/convai/settings", get_settings),
    Endpoint("settings.update", "PATCH", "/v1/convai/settings", update_settings, body=_UPDATE_SETTINGS),
)
