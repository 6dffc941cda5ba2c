"""DELETE /integrations/elevenlabs/keys/{id}: here, as only this floor knows what is still being dialled with it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import as_id, workspace_for
from aispinner.core.auth import caller
from aispinner.core.errors import NotFound
from aispinner.core.models import Role
from integrations.models import ElevenLabsKey
from telephony.keys import delete_unused_key


class KeyView(APIView):
    """One ElevenLabs key."""

    def delete(self, request: Request, key_id: str) -> Response:
        """204; 409 while a campaign that has not ended uses the key."""
        forget_key(user=caller(request), key_id=as_id(key_id, field="id"))
        return Response(status=204)


@transaction.atomic
def forget_key(*, user: User, key_id: int) -> None:
    """Delete the key, unless something unfinished was sent with it."""
    key = ElevenLabsKey.objects.filter(workspace__memberships__user=user, pk=key_id).first()
    if key is None:
        raise NotFound("Key not found. GET /integrations/elevenlabs/keys lists yours.")
    workspace_for(user=user, workspace_id=key.workspace_id, role=Role.OWNER)
    delete_unused_key(key=key)
