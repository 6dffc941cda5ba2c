"""Deleting an ElevenLabs key: not while something unfinished was sent with it."""

from __future__ import annotations

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.models import ElevenLabsKey
from telephony.models import Chunk, ChunkStatus, RunStatus
from tests.api.conftest import Line
from tests.factories import make_key

pytestmark = pytest.mark.django_db


def address(key: ElevenLabsKey) -> str:
    return f"/integrations/elevenlabs/keys/{key.pk}"


def test_a_key_that_nothing_uses_is_deleted(as_owner: APIClient, line: Line) -> None:
    response = as_owner.delete(address(line.key))
    assert (response.status_code, response.content) == (204, b"")
    assert not ElevenLabsKey.objects.filter(pk=line.key.pk).exists()
    assert as_owner.delete(address(line.key)).status_code == 404


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.PAUSED])
def test_a_key_of_an_unfinished_campaign_stays(as_owner: APIClient, line: Line, status: RunStatus) -> None:
    run = line.run(status=status)
    response = as_owner.delete(address(line.key))
    assert response.status_code == 409
    assert run.call_id in response.json()["detail"]
    assert ElevenLabsKey.objects.filter(pk=line.key.pk).exists()


def test_a_key_that_an_open_chunk_was_sent_with_stays(as_owner: APIClient, line: Line) -> None:
    run = line.run()
    older = make_key(workspace=line.workspace, account=line.key.account)
    Chunk.objects.create(run=run, api_key=older, size=1, status=ChunkStatus.DIALING, submitted_at=timezone.now())
    assert as_owner.delete(address(older)).status_code == 409
    Chunk.objects.update(status=ChunkStatus.DONE, finished_at=timezone.now())
    assert as_owner.delete(address(older)).status_code == 204


def test_a_key_of_finished_campaigns_only_is_deleted(as_owner: APIClient, line: Line) -> None:
    run = line.run(status=RunStatus.COMPLETED, finished_at=timezone.now())
    assert as_owner.delete(address(line.key)).status_code == 204
    run.refresh_from_db()
    assert run.api_key is None


@pytest.mark.parametrize(("key_id", "status"), [("99999999", 404), ("9" * 30, 404), ("one", 422), ("-1", 422)])
def test_an_unknown_key_is_refused(as_owner: APIClient, line: Line, key_id: str, status: int) -> None:
    assert as_owner.delete(f"/integrations/elevenlabs/keys/{key_id}").status_code == status
