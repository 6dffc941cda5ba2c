"""What needs somebody: each with a sentence on what is wrong and what to do, and a link to where that is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from agents.models import Agent
from aispinner.core.admin_html import Tone
from integrations.calls import VoiceStack
from integrations.models import ElevenLabsKey, KeyStatus
from telephony.admin.health import Process
from telephony.admin.pieces import MOVING, UNFINISHED
from telephony.admin.words import next_attempt, wait_words
from telephony.models import Run, RunStatus

MOST_OF_A_KIND = 5
CANNOT_DO_WITHOUT = {
    "Worker": "Nothing is dialled and no result is fetched. Start a worker.",
    "Beat": "What was missed is not looked at again. Start beat.",
    "Broker": "Nothing can be rung. Start Valkey, or check REDIS_URL.",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to look at."""

    tone: Tone
    icon: str
    title: str
    sentence: str
    url: str = ""


def attention(request: HttpRequest, *, processes: Iterable[Process], now: datetime) -> list[Item]:
    """What the person can see and should look at, the worst first."""
    found = [
        *_processes(processes),
        *_keys(_seen(request, ElevenLabsKey)),
        *_runs(_seen(request, Run), now=now),
        *_agents(_seen(request, Agent)),
    ]
    return sorted(found, key=lambda item: item.tone != "bad")


def _seen(request: HttpRequest, model: type) -> QuerySet[Any]:
    return admin.site._registry[model].get_queryset(request)


def _processes(processes: Iterable[Process]) -> list[Item]:
    return [
        Item(
            tone="bad",
            icon="heart_broken",
            title=f"{process.name}: {process.words}",
            sentence=CANNOT_DO_WITHOUT.get(process.name, "Calls over your own Asterisk need it."),
        )
        for process in processes
        if not process.is_alive
    ]


def _keys(keys: QuerySet[ElevenLabsKey]) -> list[Item]:
    refused = keys.filter(status=KeyStatus.REFUSED).order_by("-pk")[:MOST_OF_A_KIND]
    return [
        Item(
            tone="bad",
            icon="key_off",
            title=f"{key} is refused",
            sentence="ElevenLabs does not take it any more. Check it again, or add another key of the account.",
            url=reverse("admin:integrations_elevenlabskey_change", args=(key.pk,)),
        )
        for key in refused
    ]


def _runs(runs: QuerySet[Run], *, now: datetime) -> list[Item]:
    waiting = runs.filter(status__in=UNFINISHED).exclude(wait_reason="").order_by("status", "-pk")[: MOST_OF_A_KIND * 2]
    found = []
    for run in waiting:
        short, sentence = wait_words(run)
        stopped = run.status != RunStatus.RUNNING
        found.append(
            Item(
                tone="bad" if stopped else "wait",
                icon="pause_circle" if stopped else "hourglass_top",
                title=f"{run}: {short}",
                sentence=" ".join(filter(None, (sentence, next_attempt(run, now=now).capitalize()))),
                url=reverse("admin:telephony_run_change", args=(run.pk,)),
            )
        )
    return found


def _agents(agents: QuerySet[Agent]) -> list[Item]:
    drifted = agents.filter(Q(is_missing=True) | ~Q(drift=[])).order_by("-compared_at")[:MOST_OF_A_KIND]
    return [
        Item(
            tone="bad" if agent.is_missing else "wait",
            icon="link_off" if agent.is_missing else "difference",
            title=f"{agent} is not at ElevenLabs any more" if agent.is_missing else f"{agent} changed at ElevenLabs",
            sentence="Campaigns with it stop. Adopt another one into its node."
            if agent.is_missing
            else "See what changed, and adopt it again.",
            url=reverse("admin:agents_agent_change", args=(agent.pk,)),
        )
        for agent in drifted
    ]


def needs_bridges(runs: QuerySet[Run]) -> bool:
    """Whether a campaign that is dialling talks over voice bridges."""
    return runs.filter(status__in=MOVING, voice_stack=VoiceStack.CUSTOM_VOICE).exists()
