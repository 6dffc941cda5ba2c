"""Talks to an agent and says what works: its configuration, voice, variables, conversation socket and first words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import structlog

from agents.configuration import Configuration, read_configuration
from agents.services import first_account_with, no_such_agent
from aispinner.core.errors import Invalid
from aispinner.core.ids import new_id
from aispinner.core.models import Workspace
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.conversation import Conversation, open_conversation
from integrations.elevenlabs.conversation_events import AgentResponse, Audio, Ended, Metadata, Variables, user_message
from integrations.errors import ProviderError, Reason
from integrations.models import ElevenLabsKey
from integrations.problems import problem_from, sentence_for

OPENS_WITHIN = 10.0  # seconds
FIRST_WORDS_WITHIN = 10.0
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_.]+)\s*\}\}")
_CONFIG, _VOICE, _VARIABLES = "config_readable", "voice_and_model", "required_variables"
_SOCKET, _WORDS = "conversation_opens", "first_words"
_REFUSALS = MappingProxyType(  # the provider's machine words, where its socket closes
    {
        "missing_dynamic_variable": "The agent needs variables that have no placeholder. Send them as `variables`.",
        "override_error": "The agent does not allow an override that was sent.",
        "llm_timeout": "The agent's language model did not answer in time. Check it at ElevenLabs.",
        "llm_error": "The agent's language model failed. Check it at ElevenLabs.",
        "custom_llm_error": "The agent's own language model failed. Check its address and key at ElevenLabs.",
        "tts_cascade_error": "The agent's voice failed. Choose another voice at ElevenLabs.",
    }
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried. `ok` None: it was not, because something before it failed; `detail` says what."""

    name: str
    ok: bool | None
    detail: str
    duration_ms: int = 0


@dataclass(kw_only=True)
class CheckUp:
    """What was tried, in order, and the agent's first words."""

    elevenlabs_agent_id: str
    checks: list[Check] = field(default_factory=list)
    first_words: str = ""

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


@dataclass(frozen=True, kw_only=True)
class _Agent:
    """The agent under test."""

    key: ElevenLabsKey
    configuration: Configuration
    text_only: bool
    expected: frozenset[type]


class _Trouble(Exception):  # noqa: N818 - what a check found, not an error of ours
    """A check failed; its text is for the client."""


def check_agent(*, workspace: Workspace, elevenlabs_agent_id: str, variables: Variables | None = None) -> CheckUp:
    """Read the agent's configuration and have a conversation with it, as far as its first words.

    `variables` are what a recipient would bring. Invalid (422) where the workspace has no working key, ElevenLabs
    refuses it, or no account has the agent; ProviderFailed (502) where ElevenLabs cannot be asked. What fails later is
    in the checks. Takes up to 25 seconds with an agent that says nothing.
    """
    up = CheckUp(elevenlabs_agent_id=elevenlabs_agent_id)
    given = variables or {}
    began = time.monotonic()
    agent = _read(workspace, elevenlabs_agent_id)
    up.checks.append(Check(name=_CONFIG, ok=True, detail="ElevenLabs shows it to us.", duration_ms=_since(began)))
    _try(up, _VOICE, lambda: _check_voice(agent))
    _try(up, _VARIABLES, lambda: _check_variables(agent, given))
    in_the_way = next((check.name for check in up.checks if not check.ok), None)
    if in_the_way:
        _skip(up, (_SOCKET, _WORDS), because=in_the_way)
    else:
        _talk(up, agent, given)
    log.info(
        "agent_checked",
        workspace=workspace.pk,
        agent=elevenlabs_agent_id,
        failed=[c.name for c in up.checks if c.ok is False],
    )
    return up


def _read(workspace: Workspace, agent_id: str) -> _Agent:
    try:
        found = first_account_with(workspace=workspace, ask=lambda client: client.get_agent(agent_id))
    except ProviderError as error:
        if error.reason in {Reason.KEY_REFUSED, Reason.NOT_ALLOWED}:
            raise Invalid(sentence_for(error)) from None
        raise problem_from(error) from None
    if found is None:
        raise no_such_agent()
    key, answer = found
    conversation = _object(_object(answer, "conversation_config"), "conversation")
    text_only = conversation.get("text_only") is True
    events = conversation.get("client_events")
    wanted = {"agent_response": AgentResponse} if text_only else {"agent_response": AgentResponse, "audio": Audio}
    expected = {kind for name, kind in wanted.items() if not isinstance(events, list) or name in events}
    return _Agent(
        key=key,
        configuration=read_configuration(answer),
        text_only=text_only,
        expected=frozenset(expected or {AgentResponse}),
    )


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


# --- What can be read ----------------------------------------------------------------------------


def _check_voice(agent: _Agent) -> str:
    has_voice = bool(agent.configuration.voice_id) or agent.text_only
    missing = [
        name for name, there in (("voice", has_voice), ("language model", agent.configuration.model)) if not there
    ]
    if missing:
        raise _Trouble(f"The agent has no {' and no '.join(missing)}. Choose one at ElevenLabs.")
    voice = "No voice (text only)" if agent.text_only else f"Voice {agent.configuration.voice_id}"
    return f"{voice}, model {agent.configuration.model}."


def _check_variables(agent: _Agent, given: Variables) -> str:
    needed = required_variables(agent.configuration)
    if not needed:
        return "The agent needs none."
    known = set(placeholders(agent.configuration)) | set(given)
    missing = {name: places for name, places in needed.items() if name not in known}
    if missing:
        listed = "; ".join(f"{name} ({' and '.join(places)})" for name, places in missing.items())
        raise _Trouble(
            f"Without a placeholder: {listed}. Give them placeholders at ElevenLabs, or send them here as `variables` "
            "and with every recipient."
        )
    return f"Known: {', '.join(needed)}."


def required_variables(configuration: Configuration) -> dict[str, list[str]]:
    """The names in `{{…}}` and where they stand; the provider's own (`system__…`) are left out."""
    needed: dict[str, list[str]] = {}
    for place, words in (("first message", configuration.first_message), ("prompt", configuration.prompt)):
        for name in dict.fromkeys(_VARIABLE.findall(words)):
            if not name.startswith("system__"):
                needed.setdefault(name, []).append(place)
    return needed


def placeholders(configuration: Configuration) -> Mapping[str, Any]:
    """The values that ElevenLabs uses where a conversation brings none."""
    agent = _object(_object(configuration.raw_config, "conversation_config"), "agent")
    return _object(_object(agent, "dynamic_variables"), "dynamic_variable_placeholders")


# --- What has to be tried ------------------------------------------------------------------------


def _talk(up: CheckUp, agent: _Agent, given: Variables) -> None:
    began = time.monotonic()
    try:
        with _conversation(agent, up.elevenlabs_agent_id, given) as (conversation, metadata):
            sound = f"{metadata.agent_audio.encoding} {metadata.agent_audio.rate} Hz"
            up.checks.append(Check(name=_SOCKET, ok=True, detail=f"Audio: {sound}.", duration_ms=_since(began)))
            _try(up, _WORDS, lambda: _first_words(up, agent, conversation))
    except ProviderError as error:
        up.checks.append(Check(name=_SOCKET, ok=False, detail=_sentence(error), duration_ms=_since(began)))
        _skip(up, (_WORDS,), because=_SOCKET)


@contextmanager
def _conversation(agent: _Agent, agent_id: str, given: Variables) -> Iterator[tuple[Conversation, Metadata]]:
    signed_url = ElevenLabsClient(api_key=agent.key.key).signed_url(agent_id)
    ours = {**given, "call_id": new_id("call")}  # as our calls bear: the journal leaves it out
    with open_conversation(signed_url=signed_url, variables=ours, within=OPENS_WITHIN) as opened:
        yield opened


def _first_words(up: CheckUp, agent: _Agent, conversation: Conversation) -> str:
    """Wait for words and voice, as far as the agent sends them; one that lets others begin is greeted."""
    deadline = time.monotonic() + FIRST_WORDS_WITHIN
    greeted = not agent.configuration.first_message
    if greeted:
        conversation.send(user_message("Hello."))
    heard: set[type] = set()
    while (left := deadline - time.monotonic()) > 0 and not agent.expected <= heard:
        event = conversation.receive(within=left)
        if isinstance(event, Ended):
            raise _Trouble("The agent ended the conversation before it said anything.")
        if isinstance(event, AgentResponse) and event.text.strip():
            up.first_words = up.first_words or event.text.strip()
            heard.add(AgentResponse)
        if isinstance(event, Audio) and event.data:
            heard.add(Audio)
    if not agent.expected <= heard:
        silent = "words, but no voice" if AgentResponse in heard else "nothing"
        raise _Trouble(f"The agent sent {silent} within {FIRST_WORDS_WITHIN:g} seconds. Try it at ElevenLabs.")
    return "The agent waits for the other side to begin; it answered a greeting." if greeted else "The agent spoke."


def _sentence(error: ProviderError) -> str:
    if error.code in _REFUSALS:
        return _REFUSALS[error.code]
    if error.reason is Reason.INVALID:
        return "ElevenLabs refuses the conversation. Try the agent at ElevenLabs; its configuration may be incomplete."
    return sentence_for(error)


# --- Keeping the list ----------------------------------------------------------------------------


def _try(up: CheckUp, name: str, check: Callable[[], str]) -> None:
    began = time.monotonic()
    try:
        ok, detail = True, check()
    except _Trouble as trouble:
        ok, detail = False, str(trouble)
    except ProviderError as error:
        ok, detail = False, _sentence(error)
    up.checks.append(Check(name=name, ok=ok, detail=detail, duration_ms=_since(began)))


def _skip(up: CheckUp, names: tuple[str, ...], *, because: str) -> None:
    up.checks.extend(Check(name=name, ok=None, detail=f"Not tried: {because} failed.") for name in names)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
