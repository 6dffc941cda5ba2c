"""What always holds: invented orders of work, deaths, refusals, lost and shuffled news, pauses and clocks."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from random import Random
from uuid import uuid4

import orjson
import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aispinner.core.errors import Problem
from integrations.models import WebhookEndpoint, WebhookReceipt
from telephony.dialer.advance import advance_run
from telephony.dialer.chunks import advance_chunk
from telephony.dialer.claims import claim, submit_timeout
from telephony.dialer.ends import hear_ends
from telephony.models import Chunk, Pacing, RecipientStatus, Run, RunStatus
from telephony.services import cancel_run, pause_run, resume_run
from telephony.webhooks.inbox import apply_receipts
from tests.dialer.clock import later
from tests.dialer.memory import FINE, MOODS, Memory
from tests.dialer.truth import check_rows
from tests.dialer.wire import WorkerKilled, over_the_wire
from tests.factories import make_account, make_key, make_run, make_user, make_workspace

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "5"))  # how many orders are invented
LIMIT, SIZES, MOST = 5, (7, 4), 3
ACTS = (
    "work", "work", "work", "ask", "ask", "listen", "listen", "move", "move", "move", "move", "news", "news", "wait",
    "claim and die", "pause", "resume", "resume", "cancel",
)  # fmt: skip
PATIENCE = 900  # seconds that pass before the end at most: less than the longest call, so that nothing is given up


class World:
    """Two campaigns on one account, a provider in memory, and what the outside may rely on."""

    def __init__(self, *, seed: int) -> None:
        self.chance = Random(seed)
        self.provider = Memory()
        self.user, workspace = make_user(f"user-{uuid4()}"), make_workspace()
        account = make_account(str(uuid4()), limit=LIMIT)
        self.endpoint = WebhookEndpoint.objects.create(account=account, secret="whsec_test")
        key = make_key(workspace=workspace, account=account)
        self.runs = [
            make_run(
                workspace=workspace,
                key=key,
                numbers=[f"+1555010{place}{number:03}" for number in range(size)],
                max_concurrent=MOST,
                pacing=pacing,
                next_at=timezone.now(),
            )
            for place, (size, pacing) in enumerate(zip(SIZES, (Pacing.CONTINUOUS, Pacing.CHUNKED), strict=True))
        ]
        self.patience = PATIENCE

    def act(self, name: str) -> None:
        run = Run.objects.get(pk=self.chance.choice(self.runs).pk)
        match name:
            case "work":
                self.work(run, mood=self.chance.choice(MOODS))
            case "ask":
                self.ask()
            case "listen":
                hear_ends(run.account_id)
            case "move":
                for _ in range(self.chance.randrange(1, 5)):
                    self.provider.step(self.chance)
            case "news":
                self.news()
            case "wait":
                self.wait(self.chance.choice((3, 10, 62, 90)))
            case "claim and die":
                with transaction.atomic():
                    claim(run.pk, now=timezone.now())
            case "resume":
                with suppress(Problem):
                    resume_run(run=run, user=self.user)
            case _:
                self.wait(int(submit_timeout().total_seconds()) + 1)  # what a dead worker had on the wire has arrived
                with suppress(Problem):
                    (pause_run if name == "pause" else cancel_run)(run=run, user=self.user)

    def work(self, run: Run, *, mood: str = FINE) -> None:
        """A worker answers the run's bell, under whatever the provider does to a submit."""
        before, self.provider.mood = self.provider.submissions, mood
        with suppress(WorkerKilled):
            advance_run(run.pk)
        assert run.status == RunStatus.RUNNING or self.provider.submissions == before, "submitted after a stop"

    def ask(self) -> None:
        """A worker answers the bell of every chunk that is due."""
        for chunk_id in Chunk.objects.filter(next_at__lte=timezone.now()).values_list("pk", flat=True):
            advance_chunk(chunk_id)

    def news(self) -> None:
        """Any event of any time arrives, perhaps again."""
        if self.provider.told:
            data = orjson.loads(self.chance.choice(self.provider.told))
            body = orjson.dumps({"type": "post_call_transcription", "data": data, "at": str(uuid4())}).decode()
            WebhookReceipt.objects.create(
                endpoint=self.endpoint,
                event_key=str(uuid4()),
                kind="post_call_transcription",
                body=body,
                next_at=timezone.now(),
            )
            apply_receipts(self.endpoint.pk)

    def wait(self, seconds: int) -> None:
        if self.patience >= seconds:
            self.patience -= seconds
            later(seconds=seconds)

    def heal(self) -> None:
        """Nothing goes wrong any more; a stopped campaign is resumed until it is over."""
        for _ in range(60):
            for run in Run.objects.filter(status=RunStatus.PAUSED):
                with suppress(Problem):
                    resume_run(run=run, user=self.user)
            for run in Run.objects.exclude(status__in=[RunStatus.PAUSED, RunStatus.COMPLETED]):
                self.work(run)
            for _ in range(40):
                self.provider.step(self.chance)
            self.ask()
            later(seconds=95)
            if not Run.objects.exclude(status=RunStatus.COMPLETED).filter(finished_at=None).exists():
                return
        raise AssertionError(f"no end: {list(Run.objects.values_list('status', 'wait_reason', 'next_at'))}")

    def check(self) -> None:
        check_rows()
        assert not self.provider.placed or max(self.provider.placed.values()) == 1, "a number was dialled twice"
        up = Counter(talk.number[:9] for talk in self.provider.talks if talk.is_up)
        assert sum(up.values()) <= LIMIT
        assert max(up.values(), default=0) <= MOST


@pytest.mark.django_db
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=st.lists(st.sampled_from(ACTS), min_size=15, max_size=30), seed=st.integers(0, 10**6))
def test_whatever_happens_in_whatever_order_every_number_is_dialled_once(acts: list[str], seed: int) -> None:
    sheltered = transaction.atomic()
    sheltered.__enter__()
    try:
        world = World(seed=seed)
        with over_the_wire(world.provider.handle):
            for act in acts:
                world.act(act)
                world.check()
            world.heal()
            world.check()
        for run in Run.objects.all():
            left = set(run.recipients.values_list("status", flat=True))
            assert not left & {RecipientStatus.PENDING, RecipientStatus.IN_FLIGHT}
            tried = run.recipients.exclude(status=RecipientStatus.CANCELLED).values_list("number", flat=True)
            assert all(world.provider.placed[number] == 1 for number in tried)
    finally:
        transaction.set_rollback(True)
        sheltered.__exit__(None, None, None)
