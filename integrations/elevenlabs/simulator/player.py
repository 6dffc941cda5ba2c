"""Plays calls: dispatches recipients while there is room, lets phones ring, people talk, and analyses arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import call_errors as errors
from . import conversation_shapes as shapes
from .agent_defaults import build_agent
from .audio import Recordings
from .diary import Diary
from .faults import Faults
from .keeping import batch_entries, call_entries, progress_entries
from .obstacles import start_obstacle
from .stories import Script, decide, render, start_fault, tell, tell_voicemail
from .webhooks import Notifier
from .world import Account, Batch, Conversation, Dial, Recipient, RecipientStatus, World, new_id

Json = dict[str, Any]


class Player:
    """Moves every call through its life by timers of the event loop; durations are divided by the world's speed."""

    def __init__(self, world: World, faults: Faults, notifier: Notifier, diary: Diary) -> None:
        self._world = world
        self._diary = diary
        self._faults = faults
        self._notifier = notifier
        self._recordings = Recordings()
        self._woken = False
        self._closed = False

    @property
    def recordings(self) -> Recordings:
        return self._recordings

    def close(self) -> None:
        """Stop playing for good: timers that are still running do nothing."""
        self._closed = True

    # What requests ask for

    def submit(self, account: Account, batch: Batch) -> None:
        """Take a new batch, to be dispatched at its time as far as there is room."""
        account.batches[batch.id] = batch
        batch.pending.extend(batch.recipients)
        account.open_batches.append(batch)
        self._diary.write(*batch_entries(account, batch))
        self._wake_for(batch)

    def cancel(self, batch: Batch) -> None:
        """Recipients not dispatched yet become `cancelled`; calls that are up end by themselves."""
        if batch.status in ("completed", "failed", "cancelled"):
            return
        batch.cancelled = True
        batch.updated_at = time.time()
        gone = list(batch.pending)
        batch.pending.clear()
        for recipient in gone:
            recipient.move("cancelled")
        self._diary.write(*progress_entries(batch, *gone))
        self._world.note("cancelled", batch_id=batch.id)

    def delete(self, account: Account, batch: Batch) -> None:
        """Conversations are kept; what was not dispatched is not dialled any more."""
        self.cancel(batch)
        self._diary.write(("batch", batch.id, None))
        del account.batches[batch.id]

    def retry(self, account: Account, batch: Batch) -> None:
        """Dial failed recipients again. Same seed and number: they go the same way, unless scripted otherwise."""
        again = [one for one in batch.recipients if one.status == "failed"]
        for recipient in again:
            recipient.move("pending")
            recipient.conversation_id = None
        batch.retry_count += 1
        batch.finished -= len(again)
        batch.dispatched -= len(again)
        batch.cancelled = batch.broken = False
        batch.updated_at = time.time()
        batch.pending.extend(again)
        account.open_batches.append(batch)
        self._diary.write(*progress_entries(batch, *again))
        self.wake()

    def dial(self, dial: Dial) -> Conversation:
        """Place one call now; the caller has made sure that a line is free."""
        dial.account.take_line(str(dial.agent["agent_id"]))
        return self._place(dial)

    def analyse(self, account: Account, call: Conversation) -> None:
        """A conversation over the socket has ended: its analysis comes in a while, its webhooks after that."""
        self._later(2.0 + 4.0 * self._world.random("analysis", call.id).random(), "settle", account, call)

    def resume(self) -> None:
        """Go on with everything that an earlier life of this world had begun."""
        for account in self._world.accounts.values():
            for batch in account.batches.values():
                self._wake_for(batch)
                for recipient in batch.recipients:
                    if recipient.status == "dispatched":
                        self._place(self._dial_of(account, batch, recipient))
            for call in list(account.conversations.values()):
                for step, (at, args) in call.due.items():
                    self._in_real_secs(at - time.time(), self._take, step, account, call, args)

    def wake(self) -> None:
        """Look for room soon; many wakes at once are one look."""
        if not self._woken and not self._closed:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._woken = False
        if not self._closed:
            for account in self._world.accounts.values():
                self._fill(account)

    def _fill(self, account: Account) -> None:
        """Give free lines to open batches, one each in turn."""
        waiting, skipped = account.open_batches, 0
        while skipped < len(waiting) and account.in_flight < account.limit:
            batch = waiting[0]
            if not batch.pending:
                waiting.popleft()
                continue
            waiting.rotate(-1)
            if self._may_dispatch(account, batch):
                self._dispatch_recipient(account, batch, batch.pending.popleft())
                skipped = 0
            else:
                skipped += 1

    def _may_dispatch(self, account: Account, batch: Batch) -> bool:
        agent = account.agents.get(batch.body["agent_id"])
        if agent is None:
            self._break(batch)
            return False
        limits = agent["platform_settings"]["call_limits"]
        of_agent = limits["agent_concurrency_limit"]
        room = batch.target_limit or max(1, account.limit // 2)
        if of_agent > 0:
            if account.agent_in_flight.get(agent["agent_id"], 0) >= of_agent:
                return False
            room = room if batch.target_limit else min(room, max(1, int(of_agent * 0.7)))
        return batch.scheduled_at <= time.time() and batch.in_flight < room

    def _break(self, batch: Batch) -> None:
        """The agent is gone: nothing of this batch can be dialled any more."""
        batch.broken = True
        batch.updated_at = time.time()
        gone = list(batch.pending)
        batch.pending.clear()
        for recipient in gone:
            recipient.move("failed")
        batch.finished += len(gone)
        self._diary.write(*progress_entries(batch, *gone))

    def _dispatch_recipient(self, account: Account, batch: Batch, recipient: Recipient) -> None:
        recipient.move("dispatched")
        recipient.dispatched_at = recipient.updated_at
        batch.dispatched += 1
        batch.in_flight += 1
        batch.updated_at = time.time()
        account.take_line(batch.body["agent_id"])
        self._diary.write(*progress_entries(batch, recipient))
        wait = 0.2 + 0.8 * self._world.random("dispatch", recipient.number).random()
        self._in_real_secs(wait / self._world.speed, self._place, self._dial_of(account, batch, recipient))

    def _wake_for(self, batch: Batch) -> None:
        """Look for room for this batch once its time has come."""
        wait = batch.scheduled_at - time.time()
        if wait > 0:
            self._in_real_secs(wait, self.wake)
        else:
            self.wake()

    @staticmethod
    def _dial_of(account: Account, batch: Batch, recipient: Recipient) -> Dial:
        agent_id = batch.body["agent_id"]
        return Dial(
            account=account,
            agent=account.agents.get(agent_id) or build_agent(agent_id, {"name": "Deleted"}, now=int(time.time())),
            phone=batch.phone,
            number=recipient.number,
            client_data=recipient.client_data or {},
            requested_at=batch.created_at,
            ringing_timeout=batch.ringing_timeout,
            batch=batch,
            recipient=recipient,
        )

    # One call

    def _place(self, dial: Dial) -> Conversation:
        twilio = dial.phone["provider"] == "twilio"
        call = Conversation(
            id=new_id("conv_"),
            seq=self._world.next_seq(),
            agent=dial.agent,
            number=dial.number,
            phone=dial.phone,
            client_data=dial.client_data,
            story=decide(seed=self._world.seed, number=dial.number, script=self._script(dial.number)),
            requested_at=dial.requested_at,
            started_at=time.time(),
            ringing_timeout=dial.ringing_timeout,
            direction=dial.direction,
            batch=dial.batch,
            recipient=dial.recipient,
            call_sid=new_id("CA", 32) if twilio else new_id("SCL_", 12),
            carrier_id=new_id("MZ", 32) if twilio else new_id("otb_", 24),
        )
        if dial.recipient is not None:
            dial.recipient.conversation_id = call.id
            dial.recipient.move("initiated")
        dial.account.keep(call)
        self._begin(dial.account, call)
        self._diary.write(*call_entries(dial.account, call))
        if call.ledger is not None:
            self._world.mirror(call.ledger)
        return call

    def _script(self, number: str) -> Script | None:
        return self._world.scripts.get(number) or self._world.scripts.get("*")

    def _begin(self, account: Account, call: Conversation) -> None:
        """Dial, or fail before dialling where the account may not."""
        limit_error = self._account_refusal(account, call)
        if limit_error is not None:
            self._later(0.5, "fail", account, call, limit_error, None)
            return
        if call.direction == "inbound":
            self._later(1.0, "answer", account, call)
            return
        call.ledger = self._world.place(call, account)
        account.count_dial(call.agent_id, at=call.started_at)
        story, twilio = call.story, call.phone["provider"] == "twilio"
        if story.outcome == "failed":
            fault = start_fault(story, call.phone["provider"])
            error = {"code": fault["code"], "reason": fault["reason"], "error_type": "call_initialization_error"}
            self._later(min(2.0, story.ring_secs), "fail", account, call, error, "failed", fault["sip"])
        elif story.outcome == "busy":
            error = errors.BUSY_TWILIO if twilio else errors.BUSY_SIP
            self._later(story.ring_secs * 0.3, "fail", account, call, error, "busy")
        elif story.outcome == "no_answer" or story.ring_secs >= call.ringing_timeout:
            error = errors.NO_ANSWER_TWILIO if twilio else errors.NO_ANSWER_SIP
            rung = min(story.ring_secs, call.ringing_timeout)
            self._later(rung, "fail", account, call, error, "no_answer")
        else:
            self._later(story.ring_secs, "answer", account, call)

    def _account_refusal(self, account: Account, call: Conversation) -> Json | None:
        """`metadata.error` of a call that the account's limits stop before it is dialled."""
        limit = call.agent["platform_settings"]["call_limits"]["daily_limit"]
        rule = self._faults.for_dial(account=account.name, number=call.number)
        wanted = rule.fault if rule is not None else call.story.outcome
        if wanted == "out_of_credits":
            return errors.OUT_OF_CREDITS
        if wanted == "daily_limit" or account.dialled(call.agent_id) >= limit:
            return errors.daily_limit_error(limit)
        if wanted == "credits_mid_call":
            self._later(call.story.ring_secs + call.story.talk_secs / 2, "cut", account, call)
        return None

    def _answer(self, account: Account, call: Conversation) -> None:
        obstacle = start_obstacle(call)
        call.accepted_at = time.time()
        if obstacle is not None:
            call.termination_reason = obstacle["reason"]
            self._fail(account, call, obstacle, "failed")
            return
        call.status = "in-progress"
        self._move(call, "in_progress")
        if call.story.outcome != "stuck":
            self._later(self._talk_secs(call), "hang_up", account, call)

    @staticmethod
    def _talk_secs(call: Conversation) -> int:
        longest = int(call.agent["conversation_config"]["conversation"]["max_duration_seconds"])
        return max(1, min(call.story.talk_secs, longest))

    def _put_into_words(self, call: Conversation, talk_secs: int) -> None:
        config = call.agent["conversation_config"]["agent"]
        built_in = config["prompt"]["built_in_tools"]
        placeholders = config["dynamic_variables"]["dynamic_variable_placeholders"]
        variables = {**placeholders, **shapes.variables(call)}
        if call.story.outcome == "voicemail":
            detection = (built_in.get("voicemail_detection") or {}).get("params") or {}
            message = detection.get("voicemail_message") or "Hello, please call us back. Goodbye."
            told = tell_voicemail(call.story, message=render(message, variables), talk_secs=talk_secs)
        else:
            override = (call.client_data.get("conversation_config_override") or {}).get("agent") or {}
            tools = {name for name, tool in built_in.items() if tool}
            tools |= {tool["name"] for tool in config["prompt"]["tools"]}
            first_message = override.get("first_message") or config["first_message"]
            told = tell(call.story, first_message=first_message, variables=variables, talk_secs=talk_secs, tools=tools)
        call.turns, call.title, call.summary = told.turns, told.title, told.summary

    def _hang_up(self, account: Account, call: Conversation) -> None:
        """The call is over; its analysis is still to come."""
        if call.status != "in-progress":
            return
        talk, machine = self._talk_secs(call), call.story.outcome == "voicemail"
        self._put_into_words(call, talk)
        call.duration = talk
        call.status = "processing"
        call.call_result = "voicemail" if machine else "answered"
        ended_by_agent = bool(call.turns[-1].tool_calls) or machine
        call.termination_reason = "end_call tool was called." if ended_by_agent else "Client disconnected: 1000"
        self._release(account, call, "voicemail" if machine else "completed")
        self._later(2.0 + 4.0 * self._world.random("analysis", call.number).random(), "settle", account, call)

    def _cut(self, account: Account, call: Conversation) -> None:
        """Credits ran out in the middle of the call."""
        if call.status != "in-progress":
            return
        call.duration = max(1, self._talk_secs(call) // 2)
        self._put_into_words(call, self._talk_secs(call))
        call.turns = [turn for turn in call.turns if turn.at < call.duration]
        self._fail(account, call, errors.CREDITS_MID_CALL, "answered")

    def _settle(self, account: Account, call: Conversation) -> None:
        """The analysis is there: `done`, and the webhooks go out."""
        call.status = "done"
        webhook = self._notifier.webhook_for(account, call.agent, "post_call_transcription")
        if webhook is not None:
            self._notifier.tell(account, webhook, _payload("post_call_transcription", shapes.conversation(call)))
        webhook = self._notifier.webhook_for(account, call.agent, "post_call_audio")
        if webhook is not None and call.has_audio:
            self._notifier.tell_audio(account, webhook, call, self._recordings)

    def _fail(
        self, account: Account, call: Conversation, error: Json, result: str | None, sip: int | None = None
    ) -> None:
        """The call ends without (or in the middle of) a conversation; `result` None where nothing was dialled."""
        call.error = error
        call.call_result = result
        call.status = "failed"
        self._release(account, call, "failed")
        webhook = self._notifier.webhook_for(account, call.agent, "call_initiation_failure")
        if webhook is not None and result in ("busy", "no_answer", "failed") and call.direction == "outbound":
            data = shapes.initiation_failure(call, sip_status=sip)
            self._notifier.tell(account, webhook, _payload("call_initiation_failure", data))

    def _release(self, account: Account, call: Conversation, recipient_status: RecipientStatus) -> None:
        call.ended_at = time.time()
        account.free_line(call.agent_id)
        if call.ledger is not None:
            self._world.end(call.ledger, call.call_result or "failed")
            self._world.mirror(call.ledger)
        if call.batch is not None:
            call.batch.in_flight -= 1
            call.batch.finished += 1
        self._move(call, recipient_status)
        self.wake()

    @staticmethod
    def _move(call: Conversation, status: RecipientStatus) -> None:
        if call.recipient is not None:
            call.recipient.move(status)
        if call.batch is not None:
            call.batch.updated_at = time.time()

    # Time

    def _later(self, sim_secs: float, step: str, account: Account, call: Conversation, *args: object) -> None:
        """Have the call take a step (`answer`, `hang_up`, …) in a while; it is kept with the call until then."""
        wait = max(0.0, sim_secs) / self._world.speed
        call.due[step] = (time.time() + wait, list(args))
        self._in_real_secs(wait, self._take, step, account, call, args)

    def _take(self, step: str, account: Account, call: Conversation, args: Sequence[object]) -> None:
        call.due.pop(step, None)
        steps: dict[str, Callable[..., None]] = {
            "answer": self._answer,
            "hang_up": self._hang_up,
            "cut": self._cut,
            "fail": self._fail,
            "settle": self._settle,
        }
        steps[step](account, call, *args)
        if call.phone:
            self._diary.write(*call_entries(account, call))

    def _in_real_secs(self, secs: float, step: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_later(max(0.0, secs), self._run, step, args)

    def _run(self, step: Callable[..., object], args: tuple[object, ...]) -> None:
        if not self._closed:
            step(*args)


def _payload(kind: str, data: Json) -> Json:
    return {"type": kind, "event_timestamp": int(time.time()), "data": data}
