"""Adopted agents in the admin: their configuration, and what changed at ElevenLabs since. They are changed there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from agents.admin.diff import parts_of
from agents.models import Agent
from agents.services import adopt_agent, drift_of
from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_confirm import Chosen, Confirmation, ask, is_confirmed
from aispinner.core.admin_html import badge, json_block, masked, muted, two_lines, when
from aispinner.core.errors import Problem
from aispinner.core.models import Role

if TYPE_CHECKING:
    from django.contrib.admin import SimpleListFilter as DropdownFilter
else:
    from unfold.contrib.filters.admin import DropdownFilter

DRIFTED = Q(is_missing=True) | ~Q(drift=[])
MOST_COMPARED = 50  # at once: each is a question to ElevenLabs


class DriftFilter(DropdownFilter):
    """How the copy stands to what is at ElevenLabs."""

    title = "at ElevenLabs"
    parameter_name = "drift"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("changed", "Changed since"), ("missing", "Not there any more"), ("same", "As adopted")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {"changed": Q(is_missing=False) & ~Q(drift=[]), "missing": Q(is_missing=True)}
        wanted["same"] = Q(compared_at__isnull=False) & ~DRIFTED
        return rows.filter(wanted[self.value() or ""]) if self.value() in wanted else rows


@admin.register(Agent)
class AgentAdmin(ConsoleAdmin[Agent]):
    """A copy of what is at ElevenLabs: compared by whoever sees it, adopted again by editors."""

    adopt_role: ClassVar[Role] = Role.EDITOR

    audit_kind = "agent"
    list_display = ("named", "model", "voice", "tools_count", "workspace", "state", "refreshed")
    list_select_related = ("workspace", "node")
    list_filter = (DriftFilter,)
    list_filter_submit = True
    search_fields = ("name", "elevenlabs_agent_id", "node__node_id")
    search_help_text = "Search by name, agent id or node"
    actions = ("compare_selected", "adopt_selected")
    empty_icon = "support_agent"
    empty_title = "No agent yet"
    empty_text = "Make one at ElevenLabs, then adopt it into an agent node: POST /integrations/elevenlabs/agents/adopt."

    @admin.display(description="agent")
    def named(self, agent: Agent) -> SafeString:
        return two_lines(agent.name, f"{agent.elevenlabs_agent_id} · {agent.node}")

    @admin.display(description="voice")
    def voice(self, agent: Agent) -> object:
        return agent.voice_id or muted("—")

    @admin.display(description="tools")
    def tools_count(self, agent: Agent) -> int:
        return len(agent.tools) if isinstance(agent.tools, list) else 0

    @admin.display(description="at ElevenLabs")
    def state(self, agent: Agent) -> SafeString:
        return drift_badge(agent)

    @admin.display(description="adopted")
    def refreshed(self, agent: Agent) -> SafeString:
        return when(agent.refreshed_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        agent = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if agent is not None:
            context |= {"agent": agent, "facts": _facts(agent), "tools": _tools(agent), "configs": _configs(agent)}
            context |= {"parts": parts_of(agent.drift), "compared": when(agent.compared_at)}
            context |= {"may_adopt": self.may(request, self.adopt_role, agent), "state": drift_badge(agent)}
        return super().change_view(request, object_id, form_url, context)

    # --- compare, adopt again -------------------------------------------------------------------

    def has_adopt_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.adopt_role)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/compare/", wrap(self.compare_view), name="agents_agent_compare"),
            path("<int:pk>/adopt/", wrap(self.adopt_view), name="agents_agent_adopt"),
        ]
        return own + super().get_urls()

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Compares when posted to, and goes back to the agent."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._compare(request, [self._agent(request, pk)])
        return HttpResponseRedirect(_page_of(pk))

    def adopt_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks first; adopts again when confirmed."""
        agent = self._agent(request, pk)
        if not self.may(request, self.adopt_role, agent):
            raise PermissionDenied
        return self._adopt(request, [agent], back=_page_of(pk)) or HttpResponseRedirect(_page_of(pk))

    @admin.action(description="Compare with ElevenLabs", permissions=["view"])
    def compare_selected(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        agents = list(chosen.select_related("node__workspace", "account")[: MOST_COMPARED + 1])
        if len(agents) > MOST_COMPARED:
            self.message_user(request, f"Choose at most {MOST_COMPARED} agents at once.", messages.WARNING)
            return
        self._compare(request, agents)

    @admin.action(description="Adopt again…", permissions=["adopt"])
    def adopt_selected(self, request: HttpRequest, chosen: QuerySet[Agent]) -> HttpResponse | None:
        agents = list(chosen.select_related("node__workspace", "account")[: MOST_COMPARED + 1])
        if len(agents) > MOST_COMPARED:
            self.message_user(request, f"Choose at most {MOST_COMPARED} agents at once.", messages.WARNING)
            return None
        allowed = [agent for agent in agents if self.may(request, self.adopt_role, agent)]
        return self._adopt(request, allowed, back=request.get_full_path(), action="adopt_selected")

    def _compare(self, request: HttpRequest, agents: list[Agent]) -> None:
        told: dict[str, list[str]] = {}
        for agent in agents:
            try:
                drift = drift_of(agent=agent)
            except Problem as problem:
                self.tell_problem(request, problem, about=agent.name)
                continue
            state = "Not at ElevenLabs any more" if drift.missing else "Changed" if drift.changes else "As adopted"
            told.setdefault(state, []).append(agent.name)
        for state, names in told.items():
            level = messages.SUCCESS if state == "As adopted" else messages.WARNING
            self.message_user(request, f"{state}: {', '.join(names)}.", level)

    def _adopt(self, request: HttpRequest, agents: list[Agent], *, back: str, action: str = "") -> HttpResponse | None:
        if not is_confirmed(request):
            rows = [Chosen(pk=agent.pk, words=agent.name, effect=_effect(agent)) for agent in agents]
            one = len(agents) == 1
            confirmation = Confirmation(
                question=f"Adopt “{agents[0].name}” again?" if one else f"Adopt {len(agents)} agents again?",
                effects=(
                    "The configuration that is at ElevenLabs now replaces the copy here, as a whole.",
                    "Nothing changes at ElevenLabs, and running campaigns go on.",
                    *([_effect(agents[0])] if one else []),
                ),
                rows=rows,
                icon="sync",
                yes="Adopt again",
                action=action,
                back=back,
                about=Agent,
            )
            return ask(request, self.admin_site, confirmation) if agents else None
        for agent in agents:
            try:
                adopt_agent(node=agent.node, elevenlabs_agent_id=agent.elevenlabs_agent_id)
            except Problem as problem:
                self.tell_problem(request, problem, about=agent.name)
            else:
                self.message_user(request, f"Adopted again: {agent.name}.", messages.SUCCESS)
        return None

    def _agent(self, request: HttpRequest, pk: int) -> Agent:
        agents = self.get_queryset(request).select_related("node__workspace", "account", "workspace")
        agent = agents.filter(pk=pk).first()
        if agent is None or not self.has_view_permission(request, agent):
            raise Http404("No such agent.")
        return agent


def drift_badge(agent: Agent) -> SafeString:
    """How the copy stands to what is at ElevenLabs."""
    hint = "" if agent.compared_at is None else f"compared {agent.compared_at:%Y-%m-%d %H:%M} UTC"
    if agent.is_missing:
        return badge("Not there any more", "bad", hint=hint)
    if agent.drift:
        return badge(f"{len(agent.drift)} changed", "wait", hint=hint)
    return badge("As adopted", "ok", hint=hint) if agent.compared_at else badge("Not compared", "idle")


def _effect(agent: Agent) -> str:
    if agent.is_missing:
        return "It was not there when last compared, so this will be refused."
    count = len(agent.drift)
    return f"{count} change{'s' if count != 1 else ''} known." if count else "No change is known of."


def _page_of(pk: int) -> str:
    return reverse("admin:agents_agent_change", args=(pk,))


def _facts(agent: Agent) -> list[tuple[str, object]]:
    return [
        ("Agent id", agent.elevenlabs_agent_id),
        ("Workspace", agent.workspace),
        ("Node", agent.node),
        ("Account", agent.account or "—"),
        ("Language", agent.language or "—"),
        ("Language model", agent.model or "—"),
        ("Temperature", "—" if agent.temperature is None else agent.temperature),
        ("Most tokens", "—" if agent.max_tokens is None else agent.max_tokens),
        ("Voice", agent.voice_id or "—"),
        *_voice_facts(agent.voice_settings),
        ("First adopted", when(agent.adopted_at)),
        ("Refreshed", when(agent.refreshed_at)),
    ]


def _voice_facts(settings: object) -> list[tuple[str, object]]:
    if not isinstance(settings, Mapping):
        return []
    shown = masked(settings)
    plain = {
        name: value
        for name, value in shown.items()
        if isinstance(value, str | int | float) and value != "" and name != "voice_id"
    }
    return [(f"Voice: {name.replace('_', ' ')}", value) for name, value in plain.items()]


def _tools(agent: Agent) -> list[tuple[str, str]]:
    """Name and description of each tool."""
    tools = agent.tools if isinstance(agent.tools, list) else []
    found = [masked(tool) for tool in tools]
    return [
        (str(tool.get("name") or tool.get("id") or "tool"), str(tool.get("description") or tool.get("type") or ""))
        if isinstance(tool, Mapping)
        else (str(tool), "")
        for tool in found
    ]


def _configs(agent: Agent) -> list[SafeString]:
    """The rest, folded away."""
    rest = {
        "Platform tools": agent.platform_tools,
        "Safety rules": agent.safety_rules,
        "Tools in full": agent.tools,
        "Raw configuration": agent.raw_config,
    }
    return [json_block(value, summary=name) for name, value in rest.items() if value]
