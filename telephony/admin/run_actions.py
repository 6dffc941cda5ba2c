"""What is asked before several campaigns, or one for good, are changed: exactly what will happen, and to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aispinner.core.admin_confirm import Chosen, Confirmation, Option
from telephony.admin.pieces import UNFINISHED
from telephony.admin.words import wait_words
from telephony.models import Run, RunStatus

HANG_UP = Option(
    name="hangup",
    words="Hang up the calls that are up now",
    hint="Where the voice stack cannot, they end by themselves.",
)


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Something that people do with campaigns: in which states, in which words, and what comes of it."""

    name: str
    title: str
    icon: str
    from_states: tuple[RunStatus, ...]
    refusal: str
    effects: Callable[[Sequence[Run]], list[str]]
    effect: Callable[[Run], str]


def confirmation_of(
    verb: Verb, runs: Sequence[Run], *, forbidden: Sequence[Run] = (), back: str, action: str = ""
) -> Confirmation | None:
    """The question; None where none of the campaigns is in a state for it."""
    chosen, rest = fitting(verb, runs)
    if not chosen:
        return None
    one = len(chosen) == 1
    is_cancel = verb is CANCEL
    return Confirmation(
        question=f"{verb.title} “{chosen[0]}”?" if one else f"{verb.title} {len(chosen)} campaigns?",
        yes=f"{verb.title} {'the campaign' if one else f'{len(chosen)} campaigns'}",
        no=f"Keep {'it' if one else 'them'}" if is_cancel else f"Leave {'it as it is' if one else 'them as they are'}",
        icon="warning" if is_cancel else verb.icon,
        danger=is_cancel,
        effects=verb.effects(chosen),
        rows=[Chosen(pk=run.pk, words=str(run), effect=verb.effect(run)) for run in chosen],
        left_out=[
            *((str(run), f"{run.get_status_display()}: {verb.refusal}") for run in rest),
            *((str(run), "Your role in its workspace does not allow it") for run in forbidden),
        ],
        option=HANG_UP if is_cancel and _up(chosen) else None,
        action=action,
        back=back,
        about=Run,
    )


def fitting(verb: Verb, runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Those in a state for it, and the others."""
    return (
        [run for run in runs if run.status in verb.from_states],
        [run for run in runs if run.status not in verb.from_states],
    )


def _up(runs: Sequence[Run]) -> int:
    return sum(run.progress.in_flight for run in runs)


def _pending(runs: Sequence[Run]) -> int:
    return sum(run.progress.pending for run in runs)


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _calls_up(runs: Sequence[Run]) -> list[str]:
    return (
        [f"{_count(up, 'call is up and ends by itself', 'calls are up and end by themselves')}."]
        if (up := _up(runs))
        else []
    )


def _pause_effects(runs: Sequence[Run]) -> list[str]:
    waiting = _count(_pending(runs), "number that was not dialled waits", "numbers that were not dialled wait")
    return ["From the moment you confirm, nothing more is dialled.", *_calls_up(runs), f"{waiting} until you resume."]


def _resume_effects(runs: Sequence[Run]) -> list[str]:
    lines = sum(run.max_concurrent for run in runs)
    dialled = _count(_pending(runs), "number is dialled", "numbers are dialled")
    effects = [f"Real calls are placed at once: {dialled}, at most {lines:,} at a time."]
    if any(run.wait_reason for run in runs):
        effects.append("What stopped a campaign by itself stops it again, unless it was put right.")
    return effects


def _cancel_effects(runs: Sequence[Run]) -> list[str]:
    undialled = _pending(runs)
    gone = _count(undialled, "number will not be dialled any more", "numbers will not be dialled any more")
    return [
        f"{gone}." if undialled else "All numbers have been dialled.",
        *_calls_up(runs),
        "A cancelled campaign cannot be resumed.",
    ]


def _progress_of(run: Run) -> str:
    return f"{run.progress.pending:,} to be dialled, {run.progress.in_flight:,} in flight"


def _wait_of(run: Run) -> str:
    reason = wait_words(run)[0]
    return " · ".join(filter(None, (_progress_of(run), reason and f"stopped by: {reason}")))


PAUSE = Verb(
    name="pause",
    title="Pause",
    icon="pause_circle",
    from_states=(RunStatus.RUNNING,),
    refusal="only a running campaign can be paused",
    effects=_pause_effects,
    effect=_progress_of,
)
RESUME = Verb(
    name="resume",
    title="Resume",
    icon="play_circle",
    from_states=(RunStatus.PAUSED,),
    refusal="only a paused campaign can be resumed",
    effects=_resume_effects,
    effect=_wait_of,
)
CANCEL = Verb(
    name="cancel",
    title="Cancel",
    icon="cancel",
    from_states=UNFINISHED,
    refusal="what has ended stays as it is",
    effects=_cancel_effects,
    effect=_progress_of,
)
