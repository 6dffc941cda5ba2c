"""Who answers, for how long and what is said: decided by the seed and the number alone, whatever the order."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from .scenarios import FILLERS, GREETINGS, SCENARIOS, SLOTS, VOICEMAIL_GREETINGS, Beat, Ending, Scenario

Json = dict[str, Any]
Outcome = Literal[
    "answered",
    "voicemail",
    "no_answer",
    "busy",
    "failed",
    "stuck",
    "out_of_credits",
    "daily_limit",
    "credits_mid_call",
]
Result = Literal["success", "failure", "unknown"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
RESULTS: tuple[str, ...] = get_args(Result)

_MIX: tuple[tuple[Outcome, float], ...] = (
    ("answered", 0.62),
    ("no_answer", 0.14),
    ("busy", 0.08),
    ("voicemail", 0.08),
    ("failed", 0.08),
)
_WORDS_PER_SECOND = 2.6
_NAME_KEYS = ("name", "first_name", "customer_name", "contact_name", "user_name")


@dataclass(frozen=True)
class Script:
    """What a test orders for one number; None leaves the seeded value."""

    outcome: Outcome | None = None
    ring_secs: float | None = None
    talk_secs: int | None = None
    result: Result | None = None


@dataclass(frozen=True)
class Story:
    """What will happen when this number is dialled. Durations in simulated seconds."""

    outcome: Outcome
    ring_secs: float
    talk_secs: int
    scenario: int
    result: Result
    caller_hangs_up: bool
    telling: str


@dataclass
class Turn:
    """One transcript turn; `at` and `secs` are seconds into the call and of speech.

    `original` is what an interrupted agent would have said.
    """

    role: Literal["agent", "user"]
    message: str | None
    at: int = 0
    secs: float = 0.0
    tool_calls: list[Json] = field(default_factory=list)
    tool_results: list[Json] = field(default_factory=list)
    medium: Literal["audio", "text"] = "audio"
    original: str | None = None


@dataclass(frozen=True)
class Told:
    """A conversation put into words."""

    turns: list[Turn]
    title: str
    summary: str


def _rng(telling: str) -> random.Random:
    return random.Random(telling)  # noqa: S311  (a story, not a secret)


def decide(*, seed: int, number: str, script: Script | None = None) -> Story:
    """The story of `number` under `seed`; `script` overrides parts of it without moving the rest."""
    telling = f"{seed}:{number}"
    rng = _rng(telling)
    outcome = rng.choices([name for name, _ in _MIX], [weight for _, weight in _MIX])[0]
    ring = 18.0 + 7.0 * rng.random() if outcome == "no_answer" else 3.0 + 22.0 * rng.random() ** 1.6
    talk = min(420, max(20, round(rng.lognormvariate(4.35, 0.62))))
    machine = 8 + int(17 * rng.random())
    scenario = rng.randrange(len(SCENARIOS))
    result: Result = rng.choices(("success", "failure", "unknown"), (0.64, 0.24, 0.12))[0]
    caller_hangs_up = rng.random() < 0.55
    wanted = script or Script()
    outcome = wanted.outcome or outcome
    if outcome == "voicemail":
        talk = machine
    return Story(
        outcome=outcome,
        ring_secs=round(ring, 2) if wanted.ring_secs is None else wanted.ring_secs,
        talk_secs=talk if wanted.talk_secs is None else wanted.talk_secs,
        scenario=scenario,
        result=wanted.result or result,
        caller_hangs_up=caller_hangs_up,
        telling=telling,
    )


_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


def required_variables(text: str) -> set[str]:
    """Names in `{{…}}`; system ones excluded, the provider fills those."""
    return {name for name in _VARIABLE.findall(text) if not name.startswith("system__")}


def render(text: str, variables: Json) -> str:
    """`text` with every `{{name}}` replaced."""
    return _VARIABLE.sub(lambda match: str(variables.get(match.group(1), "")), text)


def _slots(rng: random.Random, variables: Json) -> dict[str, str]:
    slots = {name: rng.choice(choices) for name, choices in SLOTS.items()}
    slots["reference"] = f"{rng.choice('ABKNRT')}{rng.randrange(10_000, 99_999)}"
    slots["company"] = str(variables.get("company") or "Northwind Services")
    for key in ("day", "time", "product", "amount", "reference"):
        given = variables.get(key)
        if isinstance(given, str | int | float) and str(given).strip():
            slots[key] = str(given)
    return slots


def _say(rng: random.Random, choices: tuple[str, ...], slots: dict[str, str]) -> str:
    return rng.choice(choices).format_map(slots)


def _natural_secs(message: str | None) -> float:
    return 0.8 + len((message or "").split()) / _WORDS_PER_SECOND


def _spread(turns: list[Turn], talk_secs: int) -> None:
    """Lay the turns over the call, in proportion to their words."""
    natural = [_natural_secs(turn.message) for turn in turns]
    stretch = talk_secs / sum(natural)
    clock = 0.0
    for turn, secs in zip(turns, natural, strict=True):
        turn.at = min(int(clock), max(0, talk_secs - 1))
        turn.secs = max(0.3, min(secs - 0.3, secs * stretch))
        clock += secs * stretch


def _beats(rng: random.Random, scenario: Scenario, talk_secs: int) -> list[Beat]:
    """As many exchanges as fit: the scenario's own in order, small talk between them in long calls."""
    wanted = max(1, round(talk_secs / 17) - 1)
    own = list(scenario.beats[: max(1, wanted)])
    fillers = rng.sample(FILLERS, k=min(len(FILLERS), max(0, wanted - len(own))))
    for filler in fillers:
        own.insert(rng.randrange(1, len(own) + 1), filler)
    return own


def _use_tool(turn: Turn, *, rng: random.Random, kind: str, name: str, params: Json) -> Json:
    """Put a tool call and its good result on `turn`; returns the result for what is particular to this tool."""
    request_id = f"{name}_{rng.randrange(16**12):012x}"
    call: Json = {
        "type": kind,
        "request_id": request_id,
        "tool_name": name,
        "params_as_json": orjson.dumps(params).decode(),
        "tool_has_been_called": True,
        "tool_details": None,
    }
    result: Json = {
        "type": kind,
        "request_id": request_id,
        "tool_name": name,
        "result_value": '{"status":"success"}',
        "is_error": False,
        "is_blocked": False,
        "tool_has_been_called": True,
        "tool_latency_secs": 0,
        "error_type": "",
        "raw_error_message": "",
        "dynamic_variable_updates": [],
    }
    if kind == "webhook":
        result["tool_latency_secs"] = round(0.2 + rng.random(), 3)
        call["tool_details"] = {
            "type": "webhook",
            "method": "POST",
            "url": "https://api.example.com/appointments",
            "headers": {},
            "path_params": {},
            "query_params": {},
            "body": call["params_as_json"],
        }
    turn.tool_calls.append(call)
    turn.tool_results.append(result)
    return result


def _address(rng: random.Random, greeting: str, variables: Json) -> str:
    """Let the person say their name now and then, where it is known."""
    name = next((str(variables[key]) for key in _NAME_KEYS if variables.get(key)), "")
    if name and name != "there" and rng.random() < 0.6:
        return f"{greeting} This is {name}."
    return greeting


def tell(story: Story, *, first_message: str, variables: Json, talk_secs: int, tools: set[str]) -> Told:
    """Put an answered call into words. `tools`: names the agent has; `talk_secs` may be shorter than the story's."""
    rng = _rng(f"{story.telling}:words")
    scenario = SCENARIOS[story.scenario]
    slots = _slots(rng, variables)
    ending: Ending = getattr(scenario, story.result)
    opening = render(first_message, variables) if first_message else f"Hello, I am calling from {slots['company']}."
    turns = [Turn("agent", opening), Turn("user", _address(rng, rng.choice(GREETINGS), variables))]
    for agent_lines, user_lines in _beats(rng, scenario, talk_secs):
        turns += [Turn("agent", _say(rng, agent_lines, slots)), Turn("user", _say(rng, user_lines, slots))]
    turns[-1].message = f"{turns[-1].message} {_say(rng, ending.user, slots)}"
    goodbye = Turn("agent", _say(rng, ending.agent, slots))
    turns.append(goodbye)
    _spread(turns, talk_secs)
    if story.result == "success" and scenario.tool and scenario.tool in tools:
        params = {"day": slots["day"], "time": slots["time"]}
        _use_tool(goodbye, rng=rng, kind="webhook", name=scenario.tool, params=params)
    if not story.caller_hangs_up and "end_call" in tools:
        used = _use_tool(goodbye, rng=rng, kind="system", name="end_call", params={"reason": ending.title})
        used["result"] = {
            "result_type": "end_call_success",
            "status": "success",
            "reason": ending.title,
            "message": None,
        }
    return Told(turns=turns, title=ending.title, summary=ending.summary.format_map(slots))


def tell_voicemail(story: Story, *, message: str, talk_secs: int) -> Told:
    """A machine answers; the agent leaves `message`."""
    rng = _rng(f"{story.telling}:words")
    turns = [Turn("user", rng.choice(VOICEMAIL_GREETINGS)), Turn("agent", message)]
    _spread(turns, talk_secs)
    reason = "Automated greeting and a tone"
    used = _use_tool(turns[1], rng=rng, kind="system", name="voicemail_detection", params={"reason": reason})
    used["result"] = {
        "result_type": "voicemail_detection_success",
        "status": "success",
        "voicemail_message": message,
        "reason": reason,
    }
    summary = "A machine answered. The agent left a short message and ended the call."
    return Told(turns=turns, title="Voicemail reached", summary=summary)


_SIP_FAULTS: tuple[Json, ...] = (
    {"code": 404, "reason": "INVITE failed: sip status: 404: Not Found (SIP 404)", "sip": 404},
    {"code": 503, "reason": "INVITE failed: sip status: 503: Service Unavailable (SIP 503)", "sip": 503},
    {"code": 1011, "reason": "sip request timed out", "sip": 408},
    {"code": 1011, "reason": "transaction failed to complete", "sip": 500},
)
_TWILIO_FAULTS: tuple[Json, ...] = (
    {"code": 1011, "reason": "HTTP 401 error: Unable to create record: Authenticate", "sip": None},
    {"code": 1011, "reason": "HTTP 400 error: Unable to create record: The phone number is not valid", "sip": None},
)


def start_fault(story: Story, provider: str) -> Json:
    """Why a `failed` story fails at start: `{code, reason, sip}`, `sip` being the SIP status or None."""
    faults = _TWILIO_FAULTS if provider == "twilio" else _SIP_FAULTS
    return _rng(f"{story.telling}:fault").choice(faults)
