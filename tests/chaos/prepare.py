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


def prepare_pbx(*, url: str, lines: int, rate: float) -> None:
    """The demo's own Asterisk is at `url`, and takes so many calls, and so many a second."""
    from telephony.demo import WORKSPACE_ID
    from telephony.models import TelephonySettings

    stored = TelephonySettings.objects.get(workspace=WORKSPACE_ID)
    # Without voicemail detection, which errs: so that every outcome can be held to what the far end did.
    changes = {"url": url, "max_concurrent": lines, "calls_per_second": rate, "amd_context": ""}
    stored.settings_json["providers"][0] |= changes
    stored.save()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    django.setup()
    if sys.argv[1] == "--pbx":
        prepare_pbx(url=sys.argv[2], lines=int(sys.argv[3]), rate=float(sys.argv[4]))
        done = {}
    else:
        done = {"token": prepare(campaigns=int(sys.argv[1]), lines=int(sys.argv[2]))}
    sys.stdout.write(json.dumps(done) + "\n")
