"""`/metrics`: closed to strangers, true to the rows, told by all processes, quick, and without anything personal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from redis.exceptions import RedisError

from aispinner.core import broker, metrics
from integrations.calls import CallReport, Outcome, Phase
from integrations.models import WebhookEndpoint
from telephony.dialer.claims import claim
from telephony.dialer.records import LOST_SIGHT, NOT_DIALLED, record_submission
from telephony.dialer.sweep import sweep
from telephony.dialer.transitions import apply_reports
from telephony.dialer.watchdog import watch
from telephony.models import Call, Chunk, ChunkStatus, Run, RunProgress, RunStatus
from tests.bells import Bells
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.factories import make_account, make_key, make_run, make_workspace

pytestmark = pytest.mark.django_db
TOKEN = "a-long-random-text"
SETTLED = CallReport(phase=Phase.ENDED, outcome=Outcome.ANSWERED, settled=True, duration_sec=5)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def counted_from_nothing(settings: Settings) -> Iterator[None]:
    settings.METRICS_TOKEN = TOKEN
    broker.client().delete(broker.key("metrics"))
    metrics._paused["until"] = 0.0
    yield
    metrics._paused["until"] = 0.0


def scraped() -> Samples:
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(s.name.removeprefix("aispinner_"), tuple(sorted(s.labels.items()))): s.value for s in samples}


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def dialling(size: int = 4) -> Run:
    key = make_key(workspace=make_workspace(), account=make_account())
    WebhookEndpoint.objects.create(account=key.account, external_id="wh_1", secret="whsec_test")
    run = make_run(workspace=key.workspace, key=key, numbers=numbers(size), max_concurrent=size, next_at=timezone.now())
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    return run


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer é"])
def test_a_stranger_finds_nothing_there(header: str) -> None:
    assert Client().get("/metrics", headers={"Authorization": header}).status_code == 404


def test_without_a_token_in_the_settings_nobodys_opens_it(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(("is_staff", "status"), [(True, 200), (False, 404)])
def test_staff_who_have_logged_in_may_look(owner: User, is_staff: bool, status: int) -> None:
    owner.is_staff = is_staff
    owner.save()
    client = Client()
    client.force_login(owner)
    assert client.get("/metrics").status_code == status


def test_it_says_what_the_rows_say() -> None:
    run = dialling(4)
    one, two, *_ = run.calls.order_by("pk")
    apply_reports({one.pk: SETTLED, two.pk: NOT_DIALLED}, now=timezone.now())
    found = scraped()
    assert of(found, "calls", status="queued") == 2
    assert of(found, "calls", status="done") == 1
    assert of(found, "recipients", status="pending") == 1
    assert of(found, "recipients", status="in_flight") == 2
    assert of(found, "runs", status="running") == 1
    assert of(found, "chunks", status="dialing") == 1
    assert of(found, "conservation_difference") == 0


def test_a_counter_that_lies_is_a_difference() -> None:
    dialling(4)
    RunProgress.objects.update(in_flight=3, success=1)
    assert of(scraped(), "conservation_difference") == 1


def test_the_row_that_waits_longest_is_shown() -> None:
    dialling(2)
    Chunk.objects.update(next_at=timezone.now() - timedelta(minutes=2))
    Run.objects.update(next_at=timezone.now() + timedelta(minutes=2))
    found = scraped()
    assert 120 <= of(found, "oldest_due_seconds", kind="chunk") < 150
    assert of(found, "oldest_due_seconds", kind="run") == 0
    assert of(found, "oldest_due_seconds", kind="receipt") == 0


def test_how_late_the_sweep_was_is_told() -> None:
    dialling(2)
    Chunk.objects.update(next_at=timezone.now() - timedelta(seconds=30))
    sweep(now=timezone.now())
    found = scraped()
    assert 30 <= of(found, "sweep_lag_seconds") < 60
    assert of(found, "sweep_age_seconds") < 30


@pytest.mark.django_db(transaction=True)
def test_calls_that_only_polling_told_of_are_gaps_until_their_webhook_comes() -> None:
    run = dialling(4)
    one, two, three, _ = run.calls.order_by("pk").values_list("pk", flat=True)
    apply_reports({one: SETTLED}, now=timezone.now())
    apply_reports({two: SETTLED}, now=timezone.now(), told_by="webhook")
    apply_reports({three: LOST_SIGHT}, now=timezone.now())
    found = scraped()
    assert of(found, "settled_total", by="poll") == of(found, "settled_total", by="webhook") == 1
    assert (of(found, "webhook_gaps"), of(found, "lost_sight_total")) == (1, 1)
    apply_reports({one: SETTLED}, now=timezone.now(), told_by="webhook")
    assert of(scraped(), "webhook_gaps") == 0


@pytest.mark.django_db(transaction=True)
def test_where_there_is_no_webhook_nothing_is_missed() -> None:
    run = dialling(2)
    WebhookEndpoint.objects.all().delete()
    apply_reports(dict.fromkeys(run.calls.values_list("pk", flat=True), SETTLED), now=timezone.now())
    found = scraped()
    assert (of(found, "settled_total", by="poll_only"), of(found, "webhook_gaps")) == (2, 0)


def test_what_providers_answer_is_counted_by_what_it_means(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(numbers(2), max_concurrent=2)
    provider.at_submit("rate_limit_exceeded")
    look(bells)
    assert of(scraped(), "provider_answers_total", answer="not_done", reason="rate_limited") == 1
    Run.objects.update(next_attempt_at=None)
    Chunk.objects.update(retry_at=timezone.now())
    finish(bells, run)
    assert of(scraped(), "provider_answers_total", answer="done", reason="") >= 2


def test_without_valkey_the_rows_are_told_all_the_same() -> None:
    dialling(2)
    with patch.object(metrics, "noted", side_effect=RedisError):
        found = scraped()
    assert (of(found, "broker_up"), of(found, "calls", status="queued")) == (0, 2)


def test_nothing_is_counted_for_a_while_where_valkey_does_not_answer() -> None:
    with patch.object(broker, "client", side_effect=RedisError) as asked:
        metrics.count("breaker_trips")
        metrics.count("breaker_trips")
    assert asked.call_count == 1


def test_a_scrape_asks_no_table_of_calls_for_more_than_what_is_up(django_assert_max_num_queries: object) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        scraped()
    over_calls = [query["sql"] for query in asked if "telephony_call " in query["sql"]]
    assert all("ended_at IS NULL" in sql for sql in over_calls)
    assert len(asked) <= 8


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.PAUSING])
def test_a_run_that_nobody_would_look_at_again_is_found(status: RunStatus) -> None:
    run = make_run(workspace=make_workspace(), status=status)
    resting = make_run(workspace=make_workspace(), status=RunStatus.PAUSED)
    assert watch(now=timezone.now()) == 1
    run.refresh_from_db()
    resting.refresh_from_db()
    assert run.next_at is not None
    assert resting.next_at is None
    assert of(scraped(), "watchdog_total", what="run_forgotten") == 1


def test_a_chunk_that_nobody_would_look_at_again_is_found() -> None:
    dialling(2)
    Chunk.objects.update(next_at=None)
    assert watch(now=timezone.now()) == 1
    assert Chunk.objects.get().next_at is not None
    assert watch(now=timezone.now()) == 0


def test_a_call_that_no_chunk_looks_after_is_ended_as_lost() -> None:
    run = dialling(2)
    Chunk.objects.update(status=ChunkStatus.DONE, next_at=None, finished_at=timezone.now())
    RunProgress.objects.update(chunks_done=1)
    assert watch(now=timezone.now()) == 2
    assert set(Call.objects.values_list("status", "reason")) == {("failed", "lost_sight")}
    assert run.recipients.filter(status="failed").count() == 2
    check_rows()


def test_where_all_is_well_the_watchdog_finds_nothing() -> None:
    dialling(2)
    assert watch(now=timezone.now()) == 0
