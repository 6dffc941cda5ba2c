"""Several conversations asked about side by side; what cannot be read hides nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from integrations.calls import CallReport
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.events import report_from_conversation
from integrations.errors import ProviderError, Reason

T = TypeVar("T")
Told = CallReport | ProviderError | None

SIDE_BY_SIDE = 8


def ask(client: ElevenLabsClient, ids: Sequence[str]) -> Mapping[str, Told]:
    """What the provider says of each of these conversations: None of one that is gone or unreadable, an error of one
    that could not be asked about. ProviderError where that is so of all of them.
    """
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="elevenlabs") as pool:
        told = dict(zip(ids, pool.map(lambda id_: _ask_one(client, id_), ids), strict=True))
    errors = [each for each in told.values() if isinstance(each, ProviderError)]
    if errors and len(errors) == len(told):
        raise errors[0]
    return told


def _ask_one(client: ElevenLabsClient, conversation_id: str) -> Told:
    try:
        report = report_from_conversation(client.get_conversation(conversation_id))
    except ProviderError as error:
        return None if error.reason in {Reason.NOT_FOUND, Reason.INVALID} else error
    return report if report.conversation_id == conversation_id else None


def parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
