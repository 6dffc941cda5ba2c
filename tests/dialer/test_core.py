"""The pure core in a world of invented crashes, clocks and news: what always holds, without a database.

The tables and plans are the product's (`states`, `plan`, `pacing`, `breaker`); the shell around them is made of dicts.
A crash is a step whose end is not written down. `test_always` does the like with the whole engine, on rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from integrations.calls import Outcome
from telephony.dialer.breaker import Breaker, mark, remember
from telephony.dialer.pacing import Demand, backoff, room_learned, shares
from telephony.dialer.plan import Become, Dissolve, Resubmit, RunView, Stop, Submit, Wait, next_step
from telephony.dialer.states import TERMINAL, Signal, Status, fate_of_recipient, next_status

LIMIT, MOST, SIZES = 5, 3, (7, 4)
TWICE = timedelta(seconds=60)
RESTING = {"paused", "completed", "cancelled"}
S = Signal
LIVES = (
    (S.DISPATCHED, S.RANG, S.ANSWERED, S.ENDED_WELL),
    (S.DISPATCHED, S.ANSWERED, S.ENDED_WELL),
    (S.DISPATCHED, S.RANG, S.ENDED_BADLY),
    (S.DISPATCHED, S.ENDED_BADLY),
    (S.NOT_DIALLED,),  # a limit of the account, met at the start
)
ENDS = ("accepted", "answer lost", "request lost", "too fast", "no room", "dead before", "dead after")
BREAKER = Breaker(in_a_row=6, window=0, percent=50)


@dataclass
class Call:
    place: int
    life: tuple[Signal, ...]
    status: Status = Status.QUEUED
    sent: bool = False
    told: int = 0  # how much of its life the provider has seen
    taken_back: bool = False


@dataclass
class Chunk:
    calls: list[Call]
    state: str = "submitting"
    arrived: bool = False
    attempts: int = 1
    retry_at: datetime | None = None
    first_look: datetime | None = None


@dataclass
class Run:
    recipients: list[str]
    continuous: bool
    status: str = "running"
    chunks: list[Chunk] = field(default_factory=list)
    next_attempt_at: datetime | None = None
    counters: Counter[str] = field(default_factory=Counter)  # kept step by step, as the product keeps them
    recent: str = ""

    def go(self, place: int, fate: str) -> None:
        self.counters[self.recipients[place]] -= 1
        self.counters[fate] += 1
        self.recipients[place] = fate

    def open_chunks(self) -> list[Chunk]:
        return [chunk for chunk in self.chunks if chunk.state not in {"done", "dissolved"}]


class Core(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)
        self.runs = [Run(["pending"] * size, continuous=bool(place)) for place, size in enumerate(SIZES)]
        for run in self.runs:
            run.counters["pending"] = len(run.recipients)
        self.learned, self.learned_until = LIMIT, self.now
        self.placed: Counter[tuple[int, int]] = Counter()
        self.ended: dict[int, Status] = {}
        self.stopped: set[int] = set()  # runs after whose stop nothing may be submitted

    # --- What happens ----------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), end=st.sampled_from(ENDS), life=st.sampled_from(LIVES), chance=st.floats(0, 1))
    def work(self, which: int, end: str, life: tuple[Signal, ...], chance: float) -> None:
        """A worker looks at a run, does the next thing, and gets as far as `end`."""
        run = self.runs[which]
        step = next_step(self.view(which), now=self.now)
        match step:
            case Submit(size):
                assert which not in self.stopped, "submitted after a stop"
                places = [place for place, at in enumerate(run.recipients) if at == "pending"][:size]
                chunk = Chunk([Call(place, life) for place in places])
                run.chunks.append(chunk)
                for place in places:
                    run.go(place, "in_flight")
                run.next_attempt_at = None
                self.submit(run, chunk, end, chance)
            case Resubmit(number):
                assert which not in self.stopped, "submitted after a stop"
                chunk = run.chunks[number]
                chunk.state, chunk.attempts, chunk.retry_at = "submitting", chunk.attempts + 1, None
                self.submit(run, chunk, end, chance)
            case Dissolve(number):
                self.dissolve(run, run.chunks[number])
            case Stop():
                run.status = "pausing"
                self.stopped.add(which)
            case Become(status):
                run.status = status
                if status == "cancelled":
                    self.cancel_pending(run)
            case Wait(until):
                assert until > self.now, "waits for the past"

    @rule(which=st.integers(0, 1), many=st.integers(1, 6))
    def move(self, which: int, many: int) -> None:
        """The provider goes on with what has arrived; only it knows what it has dialled."""
        for chunk in self.runs[which].chunks:
            for call in chunk.calls if chunk.arrived else ():
                if many and call.sent and not call.taken_back and call.told < len(call.life):
                    signal = call.life[call.told]
                    call.told += 1
                    many -= 1
                    self.placed[which, call.place] += signal is Signal.DISPATCHED

    @rule(which=st.integers(0, 1), of=st.integers(0, 40), age=st.integers(0, 3))
    def news(self, which: int, of: int, age: int) -> None:
        """A webhook of any moment arrives, late or again."""
        calls = [call for chunk in self.runs[which].chunks for call in chunk.calls if call.told]
        if calls:
            call = calls[of % len(calls)]
            self.hear(which, call, call.life[age % call.told])

    @rule(which=st.integers(0, 1), signal=st.sampled_from(Signal))
    def rumour(self, which: int, signal: Signal) -> None:
        """Of calls that have ended, anything may be said."""
        for chunk in self.runs[which].chunks:
            for call in chunk.calls:
                if id(call) in self.ended:
                    self.hear(which, call, signal)

    @rule(which=st.integers(0, 1))
    def ask(self, which: int) -> None:
        """Every open chunk is asked about, or looked up."""
        run = self.runs[which]
        for chunk in run.open_chunks():
            if chunk.state in {"submitting", "unknown"}:  # nobody is on the wire here: its worker is dead
                self.look_up(run, chunk)
            elif chunk.state == "dialing":
                if run.status in {"pausing", "cancelled"}:
                    for call in chunk.calls:
                        call.taken_back |= call.told == 0
                for call in chunk.calls:
                    if call.taken_back:
                        self.hear(which, call, Signal.NOT_DIALLED)
                    elif call.told:
                        self.hear(which, call, call.life[call.told - 1])
                if all(call.status in TERMINAL for call in chunk.calls):
                    chunk.state = "done"

    @rule(seconds=st.sampled_from((-30, 1, 5, 61, 120, 3600)))
    def clock(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(which=st.integers(0, 1), act=st.sampled_from(("pause", "resume", "resume", "cancel")))
    def people(self, which: int, act: str) -> None:
        run = self.runs[which]
        if act == "pause" and run.status == "running":
            run.status = "pausing"
            self.stopped.add(which)
        elif act == "resume" and run.status == "paused":
            run.status, run.next_attempt_at, run.recent = "running", None, ""
            self.stopped.discard(which)
        elif act == "cancel" and run.status != "completed" and which == 1:
            run.status = "cancelled"
            self.stopped.add(which)
            self.cancel_pending(run)

    # --- The shell -------------------------------------------------------------------------------

    def view(self, which: int) -> RunView:
        run = self.runs[which]
        limit = room_learned(limit=LIMIT, learned=self.learned, quiet_for=self.now - self.learned_until)
        demands = [
            Demand(
                run_id=place,
                wanted=min(MOST, each.counters["pending"] + each.counters["in_flight"])
                if each.status == "running"
                else each.counters["in_flight"],
                in_flight=each.counters["in_flight"],
                last_served=self.now,
            )
            for place, each in enumerate(self.runs)
        ]
        kept = next((n for n, chunk in enumerate(run.chunks) if chunk.state == "rate_limited"), None)
        return RunView(
            status=run.status,
            pending=run.counters["pending"],
            in_flight=run.counters["in_flight"],
            max_concurrent=MOST,
            continuous=run.continuous,
            next_attempt_at=run.next_attempt_at,
            open_chunks=len(run.open_chunks()),
            waiting_chunk=kept,
            waiting_until=run.chunks[kept].retry_at if kept is not None else None,
            share=shares(limit=limit, demands=demands)[which],
            room=limit - sum(each.counters["in_flight"] for each in self.runs),
            failing=BREAKER.is_tripped(run.recent),
        )

    def submit(self, run: Run, chunk: Chunk, end: str, chance: float) -> None:
        chunk.arrived = end in {"accepted", "answer lost", "dead after"}
        for call in chunk.calls:
            call.sent = call.status not in TERMINAL
        if end == "accepted":
            chunk.state = "dialing"
        elif end in {"answer lost", "request lost"}:
            chunk.state = "unknown"
            run.next_attempt_at = self.now + backoff(attempts=chunk.attempts, asked=None, chance=chance)
        elif end in {"too fast", "no room"}:
            if end == "no room":
                self.shrink(run, chunk)
            chunk.state = "rate_limited"
            chunk.retry_at = self.now + backoff(attempts=chunk.attempts, asked=None, chance=chance)

    def shrink(self, run: Run, chunk: Chunk) -> None:
        open_calls = [call for call in chunk.calls if call.status not in TERMINAL]
        for call in open_calls[len(open_calls) - len(open_calls) // 2 :]:
            self.hear(self.runs.index(run), call, Signal.NOT_DIALLED)
        busy = sum(each.counters["in_flight"] for each in self.runs)
        self.learned, self.learned_until = max(1, min(busy, LIMIT)), self.now + TWICE

    def look_up(self, run: Run, chunk: Chunk) -> None:
        if chunk.arrived:
            chunk.state = "dialing"
        elif chunk.first_look is None:
            chunk.state, chunk.first_look = "unknown", self.now
        elif chunk.first_look + TWICE <= self.now:
            self.dissolve(run, chunk)

    def dissolve(self, run: Run, chunk: Chunk) -> None:
        chunk.state = "dissolved"
        for call in chunk.calls:
            self.hear(self.runs.index(run), call, Signal.NOT_DIALLED)

    def hear(self, which: int, call: Call, signal: Signal) -> None:
        """What `transitions` does with a report."""
        run, status = self.runs[which], next_status(call.status, signal)
        if status is None:
            return
        call.status = status
        if status in TERMINAL:
            assert id(call) not in self.ended, "a call ended twice"
            self.ended[id(call)] = status
            run.go(call.place, fate_of_recipient(status, run_cancelled=run.status == "cancelled"))
            if status is not Status.CANCELLED:
                outcome = Outcome.ANSWERED if status is Status.DONE else Outcome.ERROR
                run.recent = remember(run.recent, mark(outcome))

    def cancel_pending(self, run: Run) -> None:
        for place, at in enumerate(run.recipients):
            if at == "pending":
                run.go(place, "cancelled")

    # --- What always holds -----------------------------------------------------------------------

    @invariant()
    def nobody_is_lost_and_counters_say_what_the_rows_say(self) -> None:
        for run, size in zip(self.runs, SIZES, strict=True):
            assert sum(run.counters.values()) == size
            assert +run.counters == Counter(run.recipients)
            assert min(run.counters.values()) >= 0

    @invariant()
    def nobody_is_dialled_twice(self) -> None:
        assert not self.placed or max(self.placed.values()) <= 1

    @invariant()
    def no_more_are_up_than_may_be(self) -> None:
        assert all(run.counters["in_flight"] <= MOST for run in self.runs)
        assert sum(run.counters["in_flight"] for run in self.runs) <= LIMIT

    @invariant()
    def an_end_is_an_end_and_only_a_dial_uses_a_number_up(self) -> None:
        for which, run in enumerate(self.runs):
            for chunk in run.chunks:
                for call in chunk.calls:
                    assert self.ended.get(id(call), call.status) == call.status
            for place, at in enumerate(run.recipients):
                assert at not in {"success", "failed"} or self.placed[which, place] == 1

    @invariant()
    def what_rests_has_nothing_up(self) -> None:
        for run in self.runs:
            assert run.status not in {"paused", "completed"} or not run.counters["in_flight"]
            assert run.status != "completed" or not run.counters["pending"]

    def teardown(self) -> None:
        """Nothing goes wrong any more: every number of what was not cancelled has been dialled once."""
        for _ in range(60):
            for which, run in enumerate(self.runs):
                if run.status == "paused":
                    self.people(which, "resume")
                for _ in range(3):
                    self.work(which, "accepted", LIVES[0], 0.5)
                self.move(which, 50)
                self.ask(which)
                self.what_rests_has_nothing_up()
            self.now += timedelta(minutes=2)
            if all(run.status in RESTING - {"paused"} for run in self.runs):
                break
        for which, run in enumerate(self.runs):
            for signal in Signal:
                self.rumour(which, signal)
            assert run.status in RESTING - {"paused"}, f"still {run.status}"
            assert not set(run.recipients) & {"pending", "in_flight"}
            tried = [place for place, at in enumerate(run.recipients) if at != "cancelled"]
            assert {self.placed[which, place] for place in tried} <= {1}, (run, self.placed)


TestCore = Core.TestCase
TestCore.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
