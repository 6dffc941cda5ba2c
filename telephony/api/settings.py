"""GET and PUT /telephony/settings: ARI and SIP defaults for Custom Voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import choose_workspace
from aispinner.core.audit import record
from aispinner.core.auth import caller
from aispinner.core.models import Role, Workspace
from telephony.api.reading import Body
from telephony.api.settings_json import merge_settings, public_settings
from telephony.models import TelephonySettings


class SettingsView(APIView):
    """The telephony settings of a workspace."""

    def get(self, request: Request) -> Response:
        """The settings; secrets only as `has_…`."""
        workspace = choose_workspace(user=caller(request), workspace_id=request.query_params.get("workspace_id"))
        stored = TelephonySettings.objects.filter(workspace=workspace).first()
        return Response(_shape(workspace, stored.settings_json if stored else {}))

    def put(self, request: Request) -> Response:
        """Merge `settings_json` into what is there, key by key; null removes a key."""
        body = Body(request.data, known=("settings_json", "workspace_id"))
        workspace_id = body.get("workspace_id")
        if workspace_id is None:
            workspace_id = request.query_params.get("workspace_id")
        workspace = choose_workspace(user=caller(request), workspace_id=workspace_id, role=Role.EDITOR)
        changes = body.get("settings_json")
        if not isinstance(changes, Mapping):
            body.blame("settings_json", "Takes an object with the settings to change.")
        body.check()
        return Response(_shape(workspace, _merge(workspace, changes, body)))


def _merge(workspace: Workspace, changes: Any, body: Body) -> dict[str, Any]:
    with transaction.atomic():
        TelephonySettings.objects.get_or_create(workspace=workspace)
        row = TelephonySettings.objects.select_for_update(no_key=True).get(workspace=workspace)
        merged = merge_settings(row.settings_json, changes, body)
        body.check()
        fields = sorted(name for name in changes if merged.get(name) != row.settings_json.get(name))
        row.settings_json = merged
        row.save(update_fields=["settings_json", "updated_at"])
        if fields:
            record(action="settings.changed", about=row, workspace=workspace, changes={"fields": fields})
    return merged


def _shape(workspace: Workspace, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"workspace_id": workspace.pk, "settings_json": public_settings(settings)}
