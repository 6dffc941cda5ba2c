"""The floor's addresses: health, tokens, workspaces, their members, nodes and audit trail."""

from __future__ import annotations

from django.urls import path

from aispinner.core.api.audit import AuditView
from aispinner.core.api.members import MembersView, MemberView
from aispinner.core.api.nodes import NodesView, NodeView
from aispinner.core.api.tickets import SocketTicketView
from aispinner.core.api.tokens import OneTokenView, TokensView, TokenView
from aispinner.core.api.workspaces import WorkspacesView
from aispinner.core.health import healthz, readyz

_WORKSPACE = "workspaces/<str:workspace_id>"

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("auth/token", TokenView.as_view()),
    path("auth/ws-ticket", SocketTicketView.as_view()),
    path("auth/tokens", TokensView.as_view()),
    path("auth/tokens/<slug:public_id>", OneTokenView.as_view()),
    path("workspaces", WorkspacesView.as_view()),  # one workspace: telephony.api.urls
    path(f"{_WORKSPACE}/audit", AuditView.as_view()),
    path(f"{_WORKSPACE}/members", MembersView.as_view()),
    path(f"{_WORKSPACE}/members/<str:user_id>", MemberView.as_view()),
    path(f"{_WORKSPACE}/nodes", NodesView.as_view()),
    path(f"{_WORKSPACE}/nodes/<str:node_id>", NodeView.as_view()),
]
