"""One account at the running simulator: what tests order of it, and what it has dialled."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from typing import Any

import httpx
from django.utils import timezone

from aispinner.core.models import NodeType, Workspace
from integrations.models import Account, ElevenLabsKey, WebhookEndpoint
from telephony.dialer.sweep import sweep
from telephony.models import Pacing, Run, RunStatus
from tests.bells import Bells
from tests.dialer.clock import now_due
from tests.factories import make_account, make_agent, make_key, make_node, make_phone_provider, make_run, make_workspace

Json = dict[str, Any]
_blocks = count(1)
RESTING = (RunStatus.COMPLETED, RunStatus.PAUSED)


def numbers(size: int) -> list[str]:
    """Made-up numbers that no other test has."""
    block = next(_blocks)
    return [f"+1555{block:04d}{place:03d}" for place in range(size)]


@dataclass
class Provider:
    """A simulated ElevenLabs account of its own, and ours for it."""

    http: httpx.Client
    name: str = field(default_factory=lambda: token_hex(6))
    lines: int = 20

    @property
    def secret(self) -> str:
        return f"sk_acct_{self.name}_x"

    # --- What tests order ------------------------------------------------------------------------

    def script(self, called: Iterable[str], **orders: Any) -> None:
        """How calls to these numbers go: outcome, ring_secs, talk_secs, result."""
        self._post("/_sim/script", dict.fromkeys(called, orders))

    def faults(self, *rules: Json) -> None:
        """What goes wrong from now on, instead of what did; none: everything works."""
        self._post("/_sim/faults", {"rules": [{"account": self.name, **rule} for rule in rules]})

    def at_submit(self, fault: str, **more: Any) -> None:
        """The next submit goes wrong in this way (`times` more, where given)."""
        self.faults({"fault": fault, "endpoint": "batch_calling.submit", "times": 1, **more})

    def allow(self, lines: int) -> None:
        """How many calls the provider lets up at once, whatever our own account row says."""
        self._post("/_sim/accounts", {self.name: {"concurrency": lines}})

    # --- What it has done ------------------------------------------------------------------------

    def placed(self) -> list[Json]:
        """One entry per dial that was placed."""
        return list(self._get("/_sim/ledger", account=self.name)["entries"])

    def dialled(self) -> list[str]:
        """The numbers that were dialled, sorted; a number that was dialled twice is there twice."""
        return sorted(entry["number"] for entry in self.placed())

    def most_at_once(self) -> int:
        """How many calls were up at once at most."""
        return int(self._get("/_sim/state")["accounts"][self.name]["max_in_flight"])

    def batches(self) -> list[Json]:
        """All batches that reached it, with their recipients."""
        listed = self._get("/v1/convai/batch-calling/workspace")["batch_calls"]
        return [self._get(f"/v1/convai/batch-calling/{batch['id']}") for batch in listed]

    def fired(self) -> int:
        """How many faults have fired."""
        rules = self._get("/_sim/faults")["rules"]
        return sum(rule["fired"] for rule in rules if rule["account"] == self.name)

    def _post(self, path: str, body: Any) -> Any:
        response = self.http.post(path, json=body, headers={"xi-api-key": self.secret})
        assert response.status_code == 200, response.text
        return response.json()

    def _get(self, path: str, **params: Any) -> Any:
        response = self.http.get(path, params=params, headers={"xi-api-key": self.secret})
        assert response.status_code == 200, response.text
        return response.json()

    # --- Our side --------------------------------------------------------------------------------

    def account(self) -> Account:
        """Our row for it, made when first asked for."""
        found = Account.objects.filter(external_id=self.name).first()
        return found or make_account(self.name, limit=self.lines)

    def key(self, workspace: Workspace, *, secret: str = "") -> ElevenLabsKey:
        """A key of this account."""
        return make_key(workspace=workspace, account=self.account(), key=secret or self.secret)

    def campaign(self, called: list[str] | None = None, *, workspace: Workspace | None = None, **fields: Any) -> Run:
        """A running campaign over `called` (else 3 numbers) that nobody has looked at yet."""
        workspace = workspace or make_workspace()
        existing = ElevenLabsKey.objects.filter(workspace=workspace, account=self.account()).first()
        key = existing or self.key(workspace)
        phone = make_phone_provider(
            node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER),
            registered=key.account,
            registered_id="phnum_" + hashlib.sha256(self.name.encode()).hexdigest()[:28],
        )
        agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT), account=key.account)
        defaults: Json = {"started_at": None, "next_at": timezone.now(), "pacing": Pacing.CHUNKED}
        return make_run(
            workspace=workspace,
            agent=agent,
            phone_provider=phone,
            key=key,
            numbers=called or numbers(3),
            **(defaults | fields),
        )

    def endpoint(self, *, secret: str = "whsec_test") -> WebhookEndpoint:
        """Where this account's events arrive."""
        return WebhookEndpoint.objects.get_or_create(account=self.account(), defaults={"secret": secret})[0]


def look(bells: Bells) -> None:
    """One sweep over everything that may be due, and all that it rings."""
    now_due()
    sweep(now=timezone.now())
    bells.answer()


def finish(bells: Bells, *runs: Run, into: tuple[RunStatus, ...] = RESTING, within: float = 15) -> None:
    """Look again and again until these runs are at rest."""
    deadline = time.monotonic() + within
    while True:
        look(bells)
        states = Counter(Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("status", flat=True))
        if set(states) <= set(into):
            return
        assert time.monotonic() < deadline, f"still {dict(states)}"
        time.sleep(0.01)  # the simulator's calls take their time
