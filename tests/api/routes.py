"""Every route of the server, and what each of five people is answered there: the table that the walks go by.

A route or a method that is missing here fails `test_routes`: add a row for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

CAST = ("nobody", "stranger", "viewer", "editor", "owner")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Statuses = tuple[int, int, int, int, int]


def read(status: int = 200) -> Statuses:
    """For every member."""
    return (401, 404, status, status, status)


def edit(status: int = 200) -> Statuses:
    """For editors and owners."""
    return (401, 404, 403, status, status)


def own(status: int = 200) -> Statuses:
    """For owners."""
    return (401, 404, 403, 403, status)


def known(status: int = 200) -> Statuses:
    """For whoever has a token, about what is their own."""
    return (401, status, status, status, status)


def public(status: int = 200) -> Statuses:
    """For anybody."""
    return (status, status, status, status, status)


@dataclass(frozen=True)
class Row:
    """A request about things of one workspace, and what each of CAST is answered; `{name}` stands for an id there."""

    method: str
    route: str
    statuses: Statuses
    query: str = ""
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.route}{self.query and '?'}{self.query}"

    def path(self, ids: Mapping[str, str]) -> str:
        """The address without its query."""
        names = {**ids, "node_id": _node(self, ids)}
        if "/runs/" in self.route:
            names["call_id"] = ids["run_id"]
        if self.route.startswith("webcall/"):
            names["call_id"] = ids["web_call_id"]
        if self.route.startswith("webhooks/"):
            names["public_id"] = ids["endpoint_id"]
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(names[found[1]]), self.route)

    def send(self, client: APIClient, ids: Mapping[str, str], **options: Any) -> Any:
        """The answer to `client`."""
        query, body = self.query, json.dumps(self.body) if self.body is not None else ""
        for name, value in ids.items():
            query, body = query.replace(f"{{{name}}}", value), body.replace(f"{{{name}}}", value)
        address = self.path(ids) + (f"?{query}" if query else "")
        return client.generic(self.method, address, body, content_type="application/json", **options)


_OURS = "workspace_id={workspace_id}"
_WORKSPACE = "workspaces/<str:workspace_id>"
_NODE = f"{_WORKSPACE}/nodes/<str:node_id>"
_PROVIDER = f"{_NODE}/phone-provider"
_RUN = "telephony/runs/<str:call_id>"
_CALL = "telephony/calls/<str:call_id>"
_START = {"workspace_id": "{workspace_id}", "node_id": "pbx_abc123", "numbers": ["+15550100123"]}
_AGENT = {"workspace_id": "{workspace_id}", "elevenlabs_agent_id": "agent_xyz"}
_WEB = {"call_id": "{web_call_id}"}
_OFFER = {"workspace_id": "{workspace_id}", "agent_node_id": "agent_xyz", "sdp": "v=0"}
_TWILIO = {"provider": "twilio", "twilio_phone": "+15550100100"}
_SETTINGS = {"workspace_id": "{workspace_id}", "settings_json": {"sip_server": "sip.example.org"}}

ROWS = (
    Row("GET", "", public(302)),
    Row("GET", "admin", public(302)),
    Row("GET", "login", public()),
    Row("POST", "logout", public(302)),
    Row("GET", "monitor", public(302)),
    Row("GET", "monitor/", public(302)),  # to log in: a bearer token opens no page
    Row("GET", "healthz", public()),
    Row("GET", "metrics", public(404)),  # for its own token, and for staff
    Row("GET", "api/schema", public()),
    Row("GET", "api/docs", public()),
    Row("GET", "readyz", public(503)),  # no worker and no beat in tests
    Row("POST", "webhooks/elevenlabs/<slug:public_id>", public(401), body={"type": "x", "data": {}}),  # not signed
    Row("POST", "auth/token", public(201), body={"username": "owner", "password": "correct horse"}),
    Row("POST", "auth/ws-ticket", known(201)),
    Row("GET", "auth/tokens", known()),
    Row("DELETE", "auth/tokens/<slug:public_id>", (401, 404, 404, 404, 204)),  # the owner's
    Row("GET", "workspaces", known()),
    Row("POST", "workspaces", known(201), body={"name": "Another"}),
    Row("GET", _WORKSPACE, read()),
    Row("PATCH", _WORKSPACE, own(), body={"name": "Renamed"}),
    Row("DELETE", _WORKSPACE, own(409)),  # a campaign in it is paused
    Row("GET", f"{_WORKSPACE}/audit", own()),
    Row("GET", f"{_WORKSPACE}/members", read()),
    Row("POST", f"{_WORKSPACE}/members", own(201), body={"username": "newcomer"}),
    Row("PATCH", f"{_WORKSPACE}/members/<str:user_id>", own(), body={"role": "editor"}),
    Row("DELETE", f"{_WORKSPACE}/members/<str:user_id>", own(204)),
    Row("GET", f"{_WORKSPACE}/nodes", read()),
    Row("POST", f"{_WORKSPACE}/nodes", edit(201), body={"node_id": "new", "type": "ai.pbx"}),
    Row("GET", _NODE, read()),
    Row("PUT", _NODE, edit(), body={"title": "Sales"}),
    Row("PATCH", _NODE, edit(), body={"title": "Sales"}),
    Row("DELETE", _NODE, edit(204)),
    Row("GET", _PROVIDER, read()),
    Row("PUT", _PROVIDER, edit(), body=_TWILIO),
    Row("DELETE", _PROVIDER, edit(204)),
    Row("POST", f"{_PROVIDER}/import", edit()),
    Row("GET", "integrations/elevenlabs/keys", read(), query=_OURS),
    Row("GET", "integrations/elevenlabs/keys", known()),
    Row("POST", "integrations/elevenlabs/keys", own(), query=_OURS, body={"title": "New", "key": "sk_new_0001"}),
    Row("DELETE", "integrations/elevenlabs/keys/<str:key_id>", own(204)),
    Row("GET", "integrations/sip/phone-numbers", read(), query=_OURS),
    Row("GET", "integrations/sip/phone-numbers", known()),
    Row("POST", "integrations/elevenlabs/agents/test", edit(), body=_AGENT),
    Row("GET", "agents/elevenlabs/list", read(), query=_OURS),
    Row("GET", "agents/elevenlabs/list", known()),
    Row("POST", "agents/adopt", edit(), body={**_AGENT, "node_id": "agent_xyz"}),
    Row("GET", "agents/<str:node_id>/drift", read(), query=_OURS),
    Row("POST", "telephony/dialer/start", edit(), body=_START),
    Row("GET", "telephony/runs", read(), query=_OURS),
    Row("GET", "telephony/runs", known()),
    Row("GET", "telephony/runs/resumable", read(), query=_OURS),
    Row("GET", "telephony/runs/resumable", known()),
    Row("GET", _RUN, read()),
    Row("GET", f"{_RUN}/results.csv", read()),
    Row("POST", f"{_RUN}/pause", edit()),
    Row("POST", f"{_RUN}/resume", edit()),
    Row("POST", f"{_RUN}/cancel", edit()),
    Row("PATCH", f"{_RUN}/name", edit(), body={"name": "VIP"}),
    Row("GET", f"{_CALL}/events", read()),
    Row("GET", f"{_CALL}/audio", read()),
    Row("HEAD", f"{_CALL}/audio", read()),
    Row("GET", "telephony/journal", read(), query=_OURS),
    Row("GET", "telephony/journal", known()),
    Row("GET", "telephony/journal", read(), query=f"format=csv&{_OURS}"),
    Row("GET", "telephony/journal/call/<str:call_id>", read()),
    Row("GET", "telephony/journal/<str:node_id>", read(), query=_OURS),
    Row("GET", "telephony/statistics", read(), query=_OURS),
    Row("GET", "telephony/statistics", known()),
    Row("GET", "telephony/settings", read(), query=_OURS),
    Row("GET", "telephony/settings", known()),
    Row("PUT", "telephony/settings", edit(), body=_SETTINGS),
    Row("GET", "try/<int:workspace_id>/<str:node_id>", public(302)),
    Row("POST", "webcall/start", edit(503), body=_OFFER),  # no bridge in tests
    Row("POST", "webcall/connected", edit(), body=_WEB),
    Row("POST", "webcall/answered", edit(), body=_WEB),
    Row("POST", "webcall/hangup", edit(), body=_WEB),
    Row("GET", "webcall/ice", known()),
    Row("GET", "webcall/audio/<str:call_id>.mp3", read()),
    Row("HEAD", "webcall/audio/<str:call_id>.mp3", read()),
)


def routes(patterns: list[URLPattern | URLResolver] | None = None) -> Iterator[URLPattern]:
    """Every route but the admin's, which has rights of its own."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(each, URLPattern):
            yield each
        elif not str(each.pattern).startswith("admin"):
            yield from routes(each.url_patterns)


def methods(route: URLPattern) -> set[str]:
    """What a route is there for; nothing where its view does not say."""
    view = getattr(route.callback, "cls", None)
    return {method for method in METHODS if hasattr(view, method.lower())}


def _node(row: Row, ids: Mapping[str, str]) -> str:
    if row.route.startswith("agents/"):
        return ids["agent_node_id"]
    if "phone-provider" in row.route:
        return ids["trunk_node_id" if row.method == "DELETE" else "phone_node_id"]  # a campaign dials with the other
    return ids["spare_node_id"] if row.method == "DELETE" else ids["node_id"]
