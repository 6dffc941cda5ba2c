"""Whether everything is there that the server needs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from celery import current_app
from celery.signals import beat_init, before_task_publish
from django.db import connection
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError

from aispinner.core import broker, heartbeat
from aispinner.core import tasks as core_tasks
from tests.bells import Bells


@pytest.fixture(autouse=True)
def no_signs() -> None:
    for who in ("worker", "beat", "asterisk"):
        broker.client().delete(broker.key(f"heartbeat:{who}"))


def test_health_asks_nobody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}  # and no database: this test has none


def test_ready_means_everything_is_alive(client: Client, db: None) -> None:
    for who in ("worker", "beat"):
        heartbeat.leave(who)
    response = client.get("/readyz")
    checks = response.json()["checks"]
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert all(check["ok"] for check in checks.values())
    assert checks["worker"]["age_sec"] < 5
    assert response["Cache-Control"] == "no-store"


def test_who_gives_no_sign_is_named_with_the_age_of_the_last(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat.leave("beat")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + heartbeat.ALIVE_WITHIN + 10)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    checks = response.json()["checks"]
    assert checks["worker"] == {"ok": False, "age_sec": None}
    assert checks["beat"]["ok"] is False
    assert checks["beat"]["age_sec"] >= 30
    assert checks["database"]["ok"] is True


def test_a_broker_that_is_away_is_named(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getattr__(self, _name: str) -> Any:
            raise RedisConnectionError("secret address")

        def ping(self) -> None:
            raise RedisConnectionError("secret address")

    monkeypatch.setattr(broker, "client", Away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == {"ok": False}
    assert b"secret" not in response.content


def test_a_database_that_is_away_is_named_soon(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"host": "127.0.0.1", "port": 1, "dbname": "none"}
    monkeypatch.setattr(connection, "get_connection_params", lambda: nowhere, raising=False)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False}


def test_a_heartbeat_that_is_answered_proves_the_worker(bells: Bells, db: None) -> None:
    core_tasks.heartbeat.delay()
    assert heartbeat.age("worker") is None
    bells.answer("aispinner.core.tasks.heartbeat")
    assert heartbeat.age("worker") is not None
    assert heartbeat.age("beat") is None  # it was not beat that rang


def test_beat_proves_itself_by_ringing(bells: Bells, db: None) -> None:
    beat_init.send(sender=None)
    try:
        core_tasks.heartbeat.delay()
        assert heartbeat.age("beat") is not None
    finally:
        before_task_publish.disconnect(heartbeat._beat_rings, sender=heartbeat.TASK)


def test_every_bell_on_the_schedule_is_a_task() -> None:
    current_app.loader.import_default_modules()
    schedule = current_app.conf.beat_schedule
    assert {"heartbeat", "sweep"} <= set(schedule)
    for entry in schedule.values():
        assert entry["task"] in current_app.tasks
        assert entry["options"]["expires"]
    assert schedule["heartbeat"]["task"] == heartbeat.TASK
    assert schedule["heartbeat"]["schedule"] == heartbeat.INTERVAL
