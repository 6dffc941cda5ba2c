"""Calls in the admin: a list that is quick at a million rows, and the page of one with its conversation. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin, roles_of
from aispinner.core.admin_html import duration, muted, when
from integrations.models import Account
from telephony.admin.call_page import call_parts, facts, is_live
from telephony.admin.filters import ChoiceFilter, DayFilter, RunFilter
from telephony.admin.pieces import LIST_FIELDS_LEFT_OUT, link, number_cell
from telephony.admin.words import call_badge, disposition_badge
from telephony.models import Call

if TYPE_CHECKING:
    InfinitePaginator = Paginator
else:
    from unfold.paginator import InfinitePaginator


class OutcomeFilter(ChoiceFilter):
    title = "outcome"
    parameter_name = "outcome"
    field = Call.outcome.field


class CallStatusFilter(ChoiceFilter):
    title = "status"
    parameter_name = "status"
    field = Call.status.field


class DirectionFilter(ChoiceFilter):
    title = "direction"
    parameter_name = "direction"
    field = Call.direction.field


@admin.register(Call)
class CallAdmin(ConsoleAdmin[Call]):
    """Nothing is counted and nothing but the journal's own order is offered, so no page reads more than it shows."""

    list_display = ("number", "state", "lasted", "judgement", "campaign", "agent", "placed")
    list_display_links = ("number",)
    list_filter = (OutcomeFilter, CallStatusFilter, DirectionFilter, RunFilter, ("created_at", DayFilter))
    list_filter_submit = True
    list_select_related = ("run", "agent_node")
    search_fields = ("call_id",)  # what is searched is said in get_search_results
    search_help_text = "Call id, conversation id or whole number"
    ordering = ("-pk",)
    sortable_by = ()
    show_full_result_count = False
    paginator = InfinitePaginator
    actions = None
    empty_icon = "call"
    empty_title = "No call yet"
    empty_text = "Calls appear here as soon as a campaign places them, or when somebody rings one of your numbers."

    @admin.display(description="number")
    def number(self, call: Call) -> SafeString:
        return number_cell(call)

    @admin.display(description="outcome")
    def state(self, call: Call) -> SafeString:
        return call_badge(call)

    @admin.display(description="duration")
    def lasted(self, call: Call) -> str:
        return duration(call.duration_sec)

    @admin.display(description="judgement")
    def judgement(self, call: Call) -> object:
        return disposition_badge(call) or muted("—")

    @admin.display(description="campaign")
    def campaign(self, call: Call) -> SafeString:
        return link(call.run, "telephony_run_change", call.run.pk) if call.run else muted("—")

    @admin.display(description="agent")
    def agent(self, call: Call) -> object:
        return call.agent_node or muted("—")

    @admin.display(description="when")
    def placed(self, call: Call) -> SafeString:
        return when(call.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        rows = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "telephony_call_changelist"
        return rows.defer(*LIST_FIELDS_LEFT_OUT) if is_list else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        """Whole ids and whole numbers only: each is found by an index, whatever the size of the table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.startswith(("call_", "web_")):
            return queryset.filter(call_id__startswith=term), False
        digits = "".join(filter(str.isdigit, term))
        if digits and set(term) <= set("+0123456789 -()./"):
            return queryset.filter(subscriber_phone=f"+{digits}"), False
        # the index begins with the account
        return queryset.filter(
            Q(account__in=list(Account.objects.values_list("pk", flat=True))), conversation_id=term
        ), False

    def get_urls(self) -> list[URLPattern]:
        live = path("<int:pk>/live/", self.admin_site.admin_view(self.live_page), name="telephony_call_live")
        return [live, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        call = self._call(request, object_id)
        context = dict(extra_context or {})
        if call is not None:
            context |= {"call": call, "facts": facts(call), "parts": call_parts(call), "live": is_live(call)}
            context["is_member"] = call.workspace_id in roles_of(request)
        return super().change_view(request, object_id, form_url, context)

    def live_page(self, request: HttpRequest, pk: int) -> JsonResponse:
        """The parts of one call's page as they are now."""
        call = self._call(request, str(pk))
        if call is None:
            raise Http404("No such call.")
        return JsonResponse({"live": is_live(call), "parts": call_parts(call)})

    def _call(self, request: HttpRequest, object_id: str) -> Call | None:
        if not (object_id.isascii() and object_id.isdigit() and len(object_id) < 19):
            return None
        related = ("run", "workspace", "account", "pbx_node", "phone_node", "agent_node", "chunk")
        return self.get_queryset(request).select_related(*related).filter(pk=object_id).first()
