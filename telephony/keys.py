"""ElevenLabs keys go only when nothing unfinished was sent with them: its calls could not be followed any more."""

from __future__ import annotations

from django.db import transaction

from aispinner.core.errors import Conflict
from integrations.models import ElevenLabsKey
from integrations.services import delete_key
from telephony.models import Chunk, Run

NAMED = 5


@transaction.atomic
def delete_unused_key(*, key: ElevenLabsKey) -> None:
    """Delete `key`; Conflict (409) naming the campaigns that still need it.

    The row is locked against campaigns that are being started with it at this moment.
    """
    ElevenLabsKey.objects.select_for_update().filter(pk=key.pk).first()
    names = unfinished_with(key)
    if names:
        more = ", …" if len(names) > NAMED else ""
        raise Conflict(
            f"Campaigns that have not ended use this key: {', '.join(names[:NAMED])}{more}. "
            "Let them end, or cancel them; then delete it."
        )
    delete_key(key=key)


def unfinished_with(key: ElevenLabsKey) -> list[str]:
    """Call ids of campaigns that still need `key`, their own or that of calls which are out with it; a few of them."""
    with_chunks = Chunk.objects.filter(api_key=key, finished_at=None).values("run_id")
    unfinished = Run.objects.filter(api_key=key, finished_at=None) | Run.objects.filter(pk__in=with_chunks)
    return list(unfinished.order_by("pk").values_list("call_id", flat=True)[: NAMED + 1])
