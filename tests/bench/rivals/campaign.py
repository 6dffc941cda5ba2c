"""The usual dialer: a Celery task for each call, which reads and writes its rows one by one with the ORM."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

TURNS: list[dict[str, Any]] = [
    {"role": role, "message": "I am calling about your appointment on Thursday at ten.", "time_in_call_secs": 7 * turn}
    for turn, role in enumerate(("agent", "user") * 5)
]


def models_of_a_dialer() -> tuple[type[models.Model], ...]:
    """A campaign, its numbers, its calls and what happened to them, as a tutorial would have them."""
    return RivalCampaign, RivalNumber, RivalCall, RivalEvent


class RivalCampaign(models.Model):
    in_flight = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    seconds = models.IntegerField(default=0)

    class Meta:
        app_label = "telephony"


class RivalNumber(models.Model):
    campaign = models.ForeignKey(RivalCampaign, on_delete=models.CASCADE)
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=12, default="pending")

    class Meta:
        app_label = "telephony"


class RivalCall(models.Model):
    number = models.ForeignKey(RivalNumber, on_delete=models.CASCADE)
    status = models.CharField(max_length=12, default="queued", db_index=True)
    transcript = models.JSONField(default=list)
    summary = models.TextField(blank=True)
    duration_sec = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "telephony"


class RivalEvent(models.Model):
    call = models.ForeignKey(RivalCall, on_delete=models.CASCADE)
    type = models.CharField(max_length=20)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "telephony"


@shared_task(name="rival.dial")
def dial(number_id: int) -> None:
    """One call: written down, placed (which takes no time), its end written down; counters changed with both."""
    with transaction.atomic():
        number = RivalNumber._default_manager.select_for_update().get(pk=number_id)
        number.status = "in_flight"
        number.save()
        call = RivalCall._default_manager.create(number=number)
        RivalEvent._default_manager.create(call=call, type="queued")
        RivalCampaign._default_manager.filter(pk=number.campaign.pk).update(in_flight=F("in_flight") + 1)
    with transaction.atomic():
        call = RivalCall._default_manager.select_for_update().get(pk=call.pk)
        call.status, call.transcript, call.summary, call.duration_sec = "done", TURNS, "They agreed.", 42
        call.created_at = timezone.now()
        call.save()
        for type_ in ("done", "transcript", "settled"):
            RivalEvent._default_manager.create(call=call, type=type_)
        number.status = "success"
        number.save()
        RivalCampaign._default_manager.filter(pk=number.campaign.pk).update(
            in_flight=F("in_flight") - 1, done=F("done") + 1, seconds=F("seconds") + 42
        )
