"""Demo data that makes the published examples work as printed, and gives the demo campaign a node of its own."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from agents.services import adopt_agent
from aispinner.core.errors import NotFound
from aispinner.core.models import Membership, Node, NodeType, Role, Workspace
from integrations.models import Carrier, PhoneProvider
from integrations.services import add_key, newest_working_key
from telephony.models import TelephonySettings

WORKSPACE_ID = 1
LINES = 200  # the simulator's account allows as many calls at once
KEY = "sk_demo_0123456789abcdef"
NODES = (
    ("pbx_abc123", NodeType.PBX, "Reception"),
    ("pbx_demo", NodeType.PBX, "Demo campaign"),
    ("pbx_asterisk", NodeType.PBX, "Own Asterisk"),
    ("phone_abc", NodeType.PHONE_NUMBER, "Main number"),
    ("agent_xyz", NodeType.AGENT, "Clinic assistant"),
    ("agent_abc", NodeType.AGENT, "Inbound assistant"),
    ("agent_node_abc", NodeType.AGENT, "Free for an adopted agent"),
    ("journal_abc", NodeType.JOURNAL, "Journal"),
)
CONFIGS = {"pbx_asterisk": {"voice_stack": "custom_voice"}}
CONNECTIONS = (
    ("pbx_abc123", "phone_abc"),
    ("pbx_abc123", "agent_xyz"),
    ("pbx_demo", "phone_abc"),
    ("pbx_demo", "agent_xyz"),
    ("pbx_asterisk", "agent_xyz"),
    ("journal_abc", "pbx_abc123"),
    ("journal_abc", "pbx_demo"),
)
PBX = "http://127.0.0.1:8091"  # the simulator's
SETTINGS = {
    "default_provider_id": "ari_main",
    "providers": [
        {
            "id": "ari_main",
            "kind": "ari",
            "url": PBX,
            "username": "aispinner",
            "password": "aispinner",  # the simulator's
            "app": "aispinner",
            "endpoint": "PJSIP/{number}@trunk",
            "caller_id": "+15551234567",
            "calls_per_second": 5,
            "max_concurrent": 20,
            "amd_context": "amd",
        }
    ],
}


@dataclass(frozen=True)
class Demo:
    """What was loaded."""

    user: User
    workspace: Workspace


def load_demo(*, pbx: str = PBX) -> Demo:
    """Load what is missing of the demo data; what is there already, and what was changed since, stays as it is.

    `pbx` is where the simulated PBX answers now.
    """
    user = _user()
    workspace, _ = Workspace.objects.get_or_create(pk=WORKSPACE_ID, defaults={"name": "Demo workspace"})
    Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": Role.OWNER})
    with transaction.atomic():
        nodes = _nodes(workspace)
        _settings(workspace, pbx)
        PhoneProvider.objects.get_or_create(
            node=nodes["phone_abc"],
            defaults={
                "provider": Carrier.TWILIO,
                "twilio_sid": "ACxxxxxxxx",
                "twilio_token": "demo",
                "twilio_phone": "+15551234567",
            },
        )
    if newest_working_key(workspace=workspace) is None:
        account = add_key(workspace=workspace, title="Simulator", key=KEY).key.account
        account.concurrency_limit = LINES
        account.save(update_fields=["concurrency_limit"])
    for node_id in ("agent_xyz", "agent_abc"):
        if not hasattr(nodes[node_id], "agent"):
            adopt_agent(node=nodes[node_id], elevenlabs_agent_id="agent_xyz")
    return Demo(user=user, workspace=workspace)


def _settings(workspace: Workspace, pbx: str) -> None:
    row, _ = TelephonySettings.objects.get_or_create(workspace=workspace, defaults={"settings_json": SETTINGS})
    for provider in row.settings_json.get("providers", []):
        if provider["id"] == "ari_main" and provider["url"].startswith("http://127.0.0.1:") and provider["url"] != pbx:
            provider["url"] = pbx
            row.save(update_fields=["settings_json", "updated_at"])


def loaded_demo() -> Demo:
    """What `load_demo` has loaded before; NotFound (404) where it has not."""
    user, workspace = User.objects.filter(username="demo").first(), Workspace.objects.filter(pk=WORKSPACE_ID).first()
    if user is None or workspace is None:
        raise NotFound("There is no demo data. Load it first.")
    return Demo(user=user, workspace=workspace)


def _user() -> User:
    user, new = User.objects.get_or_create(
        username="demo", defaults={"is_staff": True, "is_superuser": True, "date_joined": timezone.now()}
    )
    if new:
        user.set_password("demo")
        user.save(update_fields=["password"])
    return user


def _nodes(workspace: Workspace) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    fresh: set[str] = set()
    for node_id, type_, title in NODES:
        nodes[node_id], new = Node.objects.get_or_create(
            workspace=workspace,
            node_id=node_id,
            defaults={"type": type_, "title": title, "config": CONFIGS.get(node_id, {})},
        )
        if new:
            fresh.add(node_id)
    for from_, to in CONNECTIONS:
        if from_ in fresh:
            nodes[from_].connections.add(nodes[to])
    return nodes
