"""`/metrics`: what Prometheus scrapes. The rows tell how things stand, the counters of all processes what happened."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from aispinner.core import metrics
from aispinner.core.metrics import Name

# Each answers (label, value) in a few milliseconds at a million calls: from counters and partial indexes alone.
_BY_LABEL = (
    (
        "aispinner_calls",
        "Calls in the journal, by status.",
        "status",
        "SELECT status, sum(calls) FROM telephony_journaltotal WHERE node_id IS NULL AND day IS NULL GROUP BY 1",
    ),
    (
        "aispinner_recipients",
        "Numbers of campaigns, by where they are.",
        "status",
        """SELECT p.key, sum(p.value::bigint) FROM telephony_runprogress,
           LATERAL (VALUES ('pending', pending), ('in_flight', in_flight), ('success', success), ('failed', failed),
                           ('cancelled', cancelled)) AS p(key, value) GROUP BY 1""",
    ),
    ("aispinner_runs", "Campaigns, by status.", "status", "SELECT status, count(*) FROM telephony_run GROUP BY 1"),
    (
        "aispinner_chunks",
        "Chunks, by state; `closed` are those done or dissolved.",
        "status",
        """SELECT status, count(*) FROM telephony_chunk WHERE finished_at IS NULL GROUP BY 1
           UNION ALL SELECT 'closed', coalesce(sum(chunks_done), 0) FROM telephony_runprogress""",
    ),
    (
        "aispinner_oldest_due_seconds",
        "For how long the row that waits longest has been due; 0 where none is.",
        "kind",
        """SELECT kind, greatest(0, extract(epoch FROM clock_timestamp() - coalesce(at, clock_timestamp()))) FROM (
           SELECT 'run' AS kind, min(next_at) AS at FROM telephony_run WHERE next_at IS NOT NULL
           UNION ALL SELECT 'chunk', min(next_at) FROM telephony_chunk WHERE next_at IS NOT NULL
           UNION ALL SELECT 'receipt', min(next_at) FROM integrations_webhookreceipt WHERE next_at IS NOT NULL) due""",
    ),
)
_DIFFERENCE = """
SELECT abs(p.in_flight - c.calls) + p.lost
  FROM (SELECT coalesce(sum(in_flight), 0) AS in_flight,
               coalesce(sum(abs(numbers_count - pending - in_flight - success - failed - cancelled)), 0) AS lost
          FROM telephony_runprogress) p,
       (SELECT count(*) AS calls FROM telephony_call WHERE ended_at IS NULL AND run_id IS NOT NULL) c
"""
_COUNTERS = {
    "provider_answers": "Requests to providers, by what the answer meant and why.",
    "webhooks": "Stored events, by what became of them.",
    "webhook_lag_seconds": "Seconds between storing an event and applying it, summed up.",
    "settled": "Calls settled, by who told: webhook, poll (no webhook had), poll_only (there is no webhook).",
    "told_late": "Webhooks of calls that polling had settled before.",
    "lost_sight": "Calls ended without the provider's word, past every deadline.",
    "watchdog": "Rows that nobody would have looked at again, found and looked after, by what they were.",
    "breaker_trips": "Campaigns that stopped themselves because their calls failed at the provider.",
}


class Numbers(Collector):
    """Read at each scrape."""

    def collect(self) -> Iterable[Metric]:
        yield from _from_rows()
        try:
            noted = metrics.noted()
        except RedisError:
            yield _gauge("aispinner_broker_up", "Whether Valkey answers; without it the counters are missing.", 0)
            return
        yield _gauge("aispinner_broker_up", "Whether Valkey answers; without it the counters are missing.", 1)
        yield from _from_counters(noted)


def _from_rows() -> Iterator[Metric]:
    with connection.cursor() as cursor:
        for name, help_, label, query in _BY_LABEL:
            cursor.execute(query)
            family = GaugeMetricFamily(name, help_, labels=[label])
            for value, number in cursor.fetchall():
                family.add_metric([value], float(number))
            yield family
        cursor.execute(_DIFFERENCE)
        yield _gauge(
            "aispinner_conservation_difference",
            "Numbers or calls in flight that the counters have and the rows have not, or the other way; always 0.",
            float(cursor.fetchone()[0]),
        )


def _from_counters(noted: dict[Name, float]) -> Iterator[Metric]:
    for name, help_ in _COUNTERS.items():
        found = {key: value for key, value in noted.items() if key.name == name}
        labels = sorted({label for key in found for label, _ in key.labels})
        family = CounterMetricFamily(f"aispinner_{name}", help_, labels=labels)
        for key, value in found.items():
            family.add_metric([dict(key.labels).get(label, "") for label in labels], value)
        if not found:
            family.add_metric([], 0)
        yield family
    missed = noted.get(metrics.name("settled", by="poll"), 0) - noted.get(metrics.name("told_late"), 0)
    yield _gauge("aispinner_webhook_gaps", "Calls that polling settled and no webhook has told of.", max(0.0, missed))
    lag, at = noted.get(metrics.name("sweep_lag_seconds")), noted.get(metrics.name("swept_at"))
    if lag is not None and at is not None:
        yield _gauge("aispinner_sweep_lag_seconds", "How late the last sweep was for the row that was due first.", lag)
        yield _gauge("aispinner_sweep_age_seconds", "Since the last sweep.", max(0.0, time.time() - at))


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


@require_GET
def scrape(request: HttpRequest) -> HttpResponse:
    """For who sends the bearer token METRICS_TOKEN, and for staff who have logged in; 404 to everybody else."""
    if not _may_scrape(request):
        return JsonResponse({"detail": "There is nothing at this address."}, status=404)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    user: User | AnonymousUser = request.user
    return user.is_active and user.is_staff
