"""Every phone number of the workspace's ElevenLabs accounts."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import choose_workspace
from aispinner.core.auth import caller
from integrations.models import ElevenLabsKey
from integrations.overview import AccountNumber, list_numbers, shown_failure


def shown_number(found: AccountNumber) -> dict[str, Any]:
    """The number as clients see it; `provider` in our words where it is one of ours."""
    number = found.number
    agent = {"elevenlabs_agent_id": number.agent_id, "name": number.agent_name} if number.agent_id else None
    return {
        "phone_number_id": number.id,
        "phone_number": number.phone_number,
        "label": number.label,
        "provider": "sip" if number.provider == "sip_trunk" else number.provider,
        "agent": agent,
        "account_id": found.key.account_id,
        "key_id": found.key.pk,
    }


class PhoneNumbersView(APIView):
    """GET /integrations/sip/phone-numbers."""

    def get(self, request: Request) -> Response:
        """The numbers of all keys; `errors` names the keys that could not be asked."""
        workspace = choose_workspace(user=caller(request), workspace_id=request.query_params.get("workspace_id"))
        listed = list_numbers(keys=ElevenLabsKey.objects.filter(workspace=workspace).select_related("account"))
        numbers = [shown_number(found) for found in listed.found]
        errors = [shown_failure(failure) for failure in listed.failures]
        return Response({"phone_numbers": numbers, "total": len(numbers), "errors": errors})
