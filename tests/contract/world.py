"""A user and a workspace of their own on the running server, for requests that are made up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from zlib import crc32

import requests

from tests.stack import ROOT, Stack, follow

NODES = {
    "phone_abc": "ai.phone_number",
    "phone_spare": "ai.phone_number",
    "agent_xyz": "ai.agent",
    "agent_abc": "ai.agent",
    "agent_node_abc": "ai.agent",
    "canvas": "ai.journal",
    "pbx_abc123": "ai.pbx",
}
PROVIDER = {"provider": "twilio", "twilio_sid": "ACx", "twilio_token": "x", "twilio_phone": "+15551234567"}
NODE_OF = {  # by the path; what requests change there is nothing that others need
    "/telephony/journal/{node_id}": ["pbx_abc123", "phone_abc", "agent_xyz"],
    "/agents/adopt": ["agent_node_abc"],
    "/agents/{node_id}/drift": ["agent_xyz", "pbx_abc123"],
    "/workspaces/{workspace_id}/nodes/{node_id}": ["canvas"],
    "/workspaces/{workspace_id}/nodes/{node_id}/phone-provider": ["phone_spare"],
    "/workspaces/{workspace_id}/nodes/{node_id}/phone-provider/import": ["phone_spare"],
}


@dataclass
class World:
    """Everything here may be changed and deleted, but `workspace_id` itself: there are others to be deleted."""

    stack: Stack
    token: str = ""
    workspace_id: int = 0
    friend_id: int = 0
    key_id: int = 0
    spare_workspaces: Any = None
    calls: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The answer, which must be a good one."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(method, self.stack.address + path, headers=headers, timeout=60, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def aim(self, case: Any) -> None:
        """Put ids that exist in place of most of the invented ones."""
        path = dict(case.path_parameters or {})
        if path and (_is_heads(path, of=4) or self._is_own_door(case, path)):
            path = {name: self._known(case, name, value) for name, value in path.items()}
        case.path_parameters = path
        for place in (case.query, case.body):
            if isinstance(place, dict):
                self._aim_values(case, place)
        if isinstance(case.body, dict) and isinstance(numbers := case.body.get("numbers"), list):
            case.body["numbers"] = [_number(each) if _is_heads(each, of=16) else each for each in numbers]

    def _aim_values(self, case: Any, values: dict[str, Any]) -> None:
        for name in ("workspace_id", "node_id", "agent_node_id", "parent_call_id", "before"):
            if name in values and (values[name] == 1 or _is_heads(values[name], of=2)):
                values[name] = self._known(case, name, values[name])

    def _is_own_door(self, case: Any, path: Mapping[str, Any]) -> bool:
        """A request that would lock everybody else out, were it not aimed elsewhere."""
        is_mine = str(path.get("workspace_id")) == str(self.workspace_id)
        return is_mine and (case.method == "DELETE" or "user_id" in path)

    def _known(self, case: Any, name: str, value: Any) -> Any:
        if name == "workspace_id":
            is_whole = case.method == "DELETE" and case.path == "/workspaces/{workspace_id}"
            return next(self.spare_workspaces) if is_whole else self.workspace_id
        if name == "node_id":
            choices = NODE_OF.get(case.path, ["pbx_abc123"])
            return choices[crc32(str(value).encode("utf-8", "replace")) % len(choices)]
        if name == "call_id":
            known = self.campaigns if "/runs/" in case.path else self.calls
            return known[crc32(str(value).encode("utf-8", "replace")) % len(known)]
        return {
            "agent_node_id": "agent_xyz",
            "parent_call_id": self.campaigns[0],
            "before": self.campaigns[-1],
            "user_id": self.friend_id,
            "key_id": self.key_id,
        }.get(name, value)


def _number(value: Any) -> str:
    return f"+1555555{crc32(repr(value).encode('utf-8', 'replace')) % 10_000:04}"


def _is_heads(value: Any, *, of: int) -> bool:
    """Yes for most values: all but one of `of`; always the same for the same value."""
    return crc32(repr(value).encode("utf-8", "replace")) % of != 0


def make_world(stack: Stack) -> World:
    """A user with a workspace in which a campaign has been, another user, and some workspaces to delete."""
    world = World(stack)
    world.token = _make_users(stack)
    world.workspace_id = world.request("POST", "/workspaces", json={"name": "Contract"})["id"]
    spare = [world.request("POST", "/workspaces", json={"name": f"Spare {n}"})["id"] for n in range(5)]
    world.spare_workspaces = cycle(spare)
    here = f"/workspaces/{world.workspace_id}"
    world.friend_id = world.request("POST", f"{here}/members", json={"username": "ada"})["user_id"]
    world.request("POST", "/integrations/elevenlabs/keys", json={"key": "sk_acct_contract_1"})
    world.key_id = world.request("POST", "/integrations/elevenlabs/keys", json={"key": "sk_acct_contract_2"})["id"]
    for node_id, type_ in NODES.items():
        lines = [{"to": "phone_abc"}, {"to": "agent_xyz"}] if type_ == "ai.pbx" else []
        world.request("POST", f"{here}/nodes", json={"node_id": node_id, "type": type_, "connections": lines})
    agents = world.request("GET", "/agents/elevenlabs/list")["agents"]
    adopted = {"elevenlabs_agent_id": agents[0]["elevenlabs_agent_id"], "node_id": "agent_xyz"}
    world.request("POST", "/agents/adopt", json=adopted)
    for node_id in ("phone_abc", "phone_spare"):
        world.request("PUT", f"{here}/nodes/{node_id}/phone-provider", json=PROVIDER)
    _dial(world)
    return world


def _dial(world: World) -> None:
    """Two campaigns: one that is completed, one that is paused."""
    start = {"node_id": "pbx_abc123", "numbers": [f"+1555555{n:04}" for n in range(12)], "max_concurrent": 12}
    done = world.request("POST", "/telephony/dialer/start", json=start)["call_id"]
    list(follow(world.stack, done, until={"completed"}, token=world.token))
    paused = world.request("POST", "/telephony/dialer/start", json={**start, "max_concurrent": 1})["call_id"]
    world.request("POST", f"/telephony/runs/{paused}/pause")
    world.campaigns = [done, paused]
    journal = world.request("GET", "/telephony/journal", params={"parent_call_id": done})
    world.calls = [call["call_id"] for call in journal["calls"]]


_MAKE_USERS = """
from django.contrib.auth.models import User
from aispinner.core.auth import issue_token
User.objects.create_user("ada")
print(issue_token(user=User.objects.create_user("contract"))[1])
"""


def _make_users(stack: Stack) -> str:
    """Two users on the server; the token of one."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "--command", _MAKE_USERS]
    environment = {**os.environ, **stack.environment}
    made = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return made.stdout.split()[-1]
