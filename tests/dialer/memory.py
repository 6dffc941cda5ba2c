"""A provider in memory: it does nothing by itself, so that tests say what happens when, and count what was dialled."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import requests

from tests.dialer.wire import SUBMIT, Send, WorkerKilled, answer

Json = dict[str, Any]
NO_ROOM: Json = {"type": "rate_limit_error", "code": "concurrent_limit_exceeded"}
TOO_FAST: Json = {"type": "rate_limit_error", "code": "rate_limit_exceeded"}
NO_CREDITS: Json = {"type": "payment_required", "code": "insufficient_credits"}
OUT_OF_CREDITS: Json = {"code": 3000, "reason": "[quota_exceeded]", "error_type": "call_initialization_error"}
FINE, DEAD_BEFORE, DEAD_AFTER, LOST_BEFORE, LOST_AFTER = "fine", "dead before", "dead after", "500 before", "500 after"
REFUSALS = {"429": (429, TOO_FAST), "no room": (429, NO_ROOM), "402": (402, NO_CREDITS)}
MOODS = (FINE, FINE, FINE, DEAD_BEFORE, DEAD_AFTER, LOST_BEFORE, LOST_AFTER, *REFUSALS)


@dataclass
class Talk:
    """One recipient of a batch and, from its dispatch on, its conversation."""

    number: str
    call_id: str
    batch: str
    status: str = "pending"
    conversation: Json | None = None

    @property
    def is_up(self) -> bool:
        return self.status in {"dispatched", "initiated", "in_progress"}

    def recipient(self) -> Json:
        conversation_id = self.conversation["conversation_id"] if self.conversation else None
        client_data = {"user_id": self.call_id}
        return {
            "id": self.call_id,
            "phone_number": self.number,
            "status": self.status,
            "conversation_id": conversation_id,
            "conversation_initiation_client_data": client_data,
        }


@dataclass
class Memory:
    """`mood` is what becomes of the next submit. `told` keeps every conversation as it was at every step."""

    mood: str = FINE
    batches: dict[str, Json] = field(default_factory=dict)
    talks: list[Talk] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)
    placed: Counter[str] = field(default_factory=Counter)
    submissions: int = 0
    _ids: count[int] = field(default_factory=lambda: count(1))

    # --- What it does when it is asked to --------------------------------------------------------

    def step(self, chance: Random) -> None:
        """One call comes one step further."""
        moving = [talk for talk in self.talks if talk.status == "pending" or talk.is_up or self._processes(talk)]
        if moving:
            self.move(chance.choice(moving), chance)

    def move(self, talk: Talk, chance: Random) -> None:
        """`talk` comes one step further."""
        if talk.status == "pending":
            talk.status = "dispatched"
            return
        if talk.conversation is None:
            self._begin(talk)
        elif talk.status == "initiated":
            self._answer_or_fail(talk, chance)
        elif talk.status == "in_progress":
            talk.status = "completed"
            talk.conversation |= {"status": "processing", "transcript": [{"role": "agent", "message": "Hello."}]}
            talk.conversation["metadata"] |= {"call_duration_secs": chance.randrange(5, 90)}
        else:
            talk.conversation |= {"status": "done", "analysis": {"call_successful": "success"}, "has_audio": True}
        assert talk.conversation is not None
        self.told.append(orjson.dumps(talk.conversation))

    def _begin(self, talk: Talk) -> None:
        talk.status = "initiated"
        talk.conversation = {
            "conversation_id": f"conv_{next(self._ids)}",
            "agent_id": "agent_xyz",
            "user_id": talk.call_id,
            "status": "initiated",
            "transcript": [],
            "metadata": {
                "start_time_unix_secs": int(time.time()),
                "call_duration_secs": 0,
                "batch_call": {"batch_call_id": talk.batch, "batch_call_recipient_id": talk.call_id},
            },
        }

    def _answer_or_fail(self, talk: Talk, chance: Random) -> None:
        assert talk.conversation is not None
        fate = chance.choice(("in_progress", "in_progress", "busy", "no credits"))
        if fate == "no credits":
            talk.status, talk.conversation["status"] = "failed", "failed"
            talk.conversation["metadata"]["error"] = OUT_OF_CREDITS
            return
        self.placed[talk.number] += 1
        if fate == "busy":
            talk.status, talk.conversation["status"] = "failed", "failed"
            talk.conversation["metadata"]["phone_call"] = {"call_result": "busy"}
        else:
            talk.status, talk.conversation["status"] = "in_progress", "in-progress"

    @staticmethod
    def _processes(talk: Talk) -> bool:
        return talk.conversation is not None and talk.conversation["status"] == "processing"

    # --- What it answers -------------------------------------------------------------------------

    def handle(self, request: requests.PreparedRequest, _send: Send) -> requests.Response:
        """The handler for `wire.over_the_wire`."""
        path = urlsplit(str(request.url)).path
        if path == SUBMIT:
            return self._submit(request)
        last = path.rpartition("/")[2]
        if last == "cancel":
            self._cancel(path.split("/")[-2])
            return answer(request, 200, {})
        if "/batch-calling/" in path:
            batches = {"batch_calls": list(self.batches.values()), "next_doc": None, "has_more": False}
            return answer(request, 200, batches if last == "workspace" else self._batch(last))
        known = [talk.conversation for talk in self.talks if talk.conversation is not None]
        if last == "conversations":
            query = parse_qs(urlsplit(str(request.url)).query)
            user, left_out = query.get("user_id"), query.get("exclude_statuses", [])
            listed = [e for e in known if e["status"] not in left_out and (user is None or [e["user_id"]] == user)]
            summaries = [{**each, **each["metadata"]} for each in listed]
            return answer(request, 200, {"conversations": summaries, "next_cursor": None, "has_more": False})
        return answer(request, 200, next(each for each in known if each["conversation_id"] == last))

    def _submit(self, request: requests.PreparedRequest) -> requests.Response:
        mood, self.mood = self.mood, FINE
        if mood == DEAD_BEFORE:
            raise WorkerKilled
        if mood == LOST_BEFORE:
            return answer(request, 500, {"detail": "x"})
        if mood in REFUSALS:
            status, detail = REFUSALS[mood]
            return answer(request, status, {"detail": detail})
        batch = self._accept(orjson.loads(request.body or b""))
        if mood == DEAD_AFTER:
            raise WorkerKilled
        return answer(request, 500, {"detail": "x"}) if mood == LOST_AFTER else answer(request, 200, batch)

    def _accept(self, body: Json) -> Json:
        self.submissions += 1
        batch = {"id": f"btcal_{next(self._ids)}", "name": body["call_name"], "status": "in_progress"}
        batch |= {"created_at_unix": time.time(), "agent_id": body["agent_id"]}
        self.batches[batch["id"]] = batch
        self.talks += [
            Talk(number=one["phone_number"], call_id=one["id"], batch=batch["id"]) for one in body["recipients"]
        ]
        return batch

    def _batch(self, batch_id: str) -> Json:
        recipients = [talk.recipient() for talk in self.talks if talk.batch == batch_id]
        return {**self.batches[batch_id], "recipients": recipients}

    def _cancel(self, batch_id: str) -> None:
        for talk in self.talks:
            if talk.batch == batch_id and talk.status == "pending":
                talk.status = "cancelled"
