"""DELETE /integrations/elevenlabs/keys/{id}: here, as only this floor knows what is still being dialled with it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import as_id, workspace_for
from aispinner.core.auth import caller
from aispinner.core.errors import Conflict, NotFound
from aispinner.core.models import Role
from integrations.models import ElevenLabsKey
from integrations.services import delete_key
from telephony.models import Chunk, Run

NAMED = 5


class KeyView(APIView):
    """One ElevenLabs key."""

    def delete(self, request: Request, key_id: str) -> Response:
        """204; 409 while a campaign that has not ended uses the key."""
        forget_key(user=caller(request), key_id=as_id(key_id, field="id"))
        return Response(status=204)


@transaction.atomic
def forget_key(*, user: User, key_id: int) -> None:
    """Delete the key, unless something unfinished was sent with it: its calls could not be followed any more.

    The row is locked against campaigns that are being started with it at this moment.
    """
    seen = ElevenLabsKey.objects.filter(workspace__memberships__user=user)
    key = seen.filter(pk=key_id).select_for_update(of=("self",)).first()
    if key is None:
        raise NotFound("Key not found. GET /integrations/elevenlabs/keys lists yours.")
    workspace_for(user=user, workspace_id=key.workspace_id, role=Role.OWNER)
    with_chunks = Chunk.objects.filter(api_key=key, finished_at=None).values("run_id")
    unfinished = Run.objects.filter(api_key=key, finished_at=None) | Run.objects.filter(pk__in=with_chunks)
    names = list(unfinished.order_by("pk").values_list("call_id", flat=True)[: NAMED + 1])
    if names:
        more = ", …" if len(names) > NAMED else ""
        raise Conflict(
            f"Campaigns that have not ended use this key: {', '.join(names[:NAMED])}{more}. "
            "Let them end, or cancel them; then delete it."
        )
    delete_key(key=key)
