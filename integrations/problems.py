"""A provider's failure as the answer to a request that we passed on: our sentence, never the provider's."""

from __future__ import annotations

from datetime import timedelta

from aispinner.core.errors import AccountExhausted, Problem, ProviderFailed
from integrations.errors import ProviderError, Reason

_QUOTA_WAIT = timedelta(minutes=5)  # nothing says when somebody will pay
_SENTENCES = {
    Reason.KEY_REFUSED: "ElevenLabs refuses the stored key. Add a new one with POST /integrations/elevenlabs/keys.",
    Reason.NOT_ALLOWED: "ElevenLabs does not allow this to the stored key. Give the key more permissions there.",
    Reason.RATE_LIMITED: "ElevenLabs takes no more requests for the moment. Try again in a minute.",
    Reason.NO_CAPACITY: "All lines of the ElevenLabs account are busy. Try again when calls have ended.",
    Reason.PROVIDER_BUSY: "ElevenLabs is busy. Try again in a moment.",
    Reason.PROVIDER_DOWN: "ElevenLabs cannot be reached. Try again in a moment.",
    Reason.AGENT_MISSING: "This agent does not exist at ElevenLabs any more. Adopt another one.",
    Reason.NUMBER_MISSING: "ElevenLabs does not know this phone number, or refuses its carrier's credentials.",
}


def problem_from(error: ProviderError) -> Problem:
    """502 with a sentence that says what to do; 429 where the account's credits are used up."""
    if error.reason is Reason.QUOTA_EXHAUSTED:
        return AccountExhausted(
            "The ElevenLabs account has used up its credits. Raise its limit there, then try again.",
            retry_after=error.retry_after or _QUOTA_WAIT,
        )
    return ProviderFailed(sentence_for(error))


def sentence_for(error: ProviderError) -> str:
    """What went wrong, and what to do about it."""
    if error.reason is Reason.QUOTA_EXHAUSTED:
        return "The ElevenLabs account has used up its credits. Raise its limit there."
    return _SENTENCES.get(error.reason, "ElevenLabs did not answer as expected. Try again in a moment.")
