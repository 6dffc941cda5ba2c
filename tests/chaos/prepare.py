"""Run inside the house, once: the demo data, and a node for each campaign; prints the token that its people use."""

from __future__ import annotations

import json
import os
import sys

import django


def prepare(*, campaigns: int, lines: int) -> str:
    """Load what the campaigns need: an account with `lines` lines, which they share."""
    from aispinner.core.auth import issue_token
    from aispinner.core.models import Node, NodeType
    from integrations.models import Account
    from telephony.demo import load_demo

    demo = load_demo()
    Account.objects.update(concurrency_limit=lines)
    others = Node.objects.filter(workspace=demo.workspace, node_id__in=["phone_abc", "agent_xyz"])
    for place in range(campaigns):
        node = Node.objects.create(workspace=demo.workspace, node_id=f"pbx_chaos_{place}", type=NodeType.PBX)
        node.connections.add(*others)
    return issue_token(user=demo.user, name="chaos")[1]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    django.setup()
    sys.stdout.write(json.dumps({"token": prepare(campaigns=int(sys.argv[1]), lines=int(sys.argv[2]))}) + "\n")
