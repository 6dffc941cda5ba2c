"""Campaigns in the admin: the list with live progress, the page of one, and pause, resume, cancel and rename."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.forms import CharField
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RelatedDropdownFilter

from aispinner.core.admin_base import ConsoleAdmin, roles_of, watched
from aispinner.core.admin_confirm import ask, is_confirmed
from aispinner.core.admin_html import muted, two_lines, when
from aispinner.core.errors import Invalid, Problem
from aispinner.core.models import Role
from aispinner.core.snapshot import one_snapshot
from telephony import services
from telephony.admin import dashboard
from telephony.admin.filters import ChoiceFilter
from telephony.admin.pieces import lines_cell, progress_cell
from telephony.admin.results import MOST_EXPORTED, results_of, results_together
from telephony.admin.run_actions import CANCEL, PAUSE, RESUME, Verb, confirmation_of, fitting
from telephony.admin.run_page import facts, is_live, live_answer, run_parts, state_part
from telephony.admin.words import next_attempt, run_badge, wait_words
from telephony.models import Run

DONE_WORDS = {
    "pause": "Nothing more is dialled",
    "resume": "Dialling again",
    "cancel": "Cancelled",
    "rename": "Renamed",
}
DONE_TO = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}
MOST_LIVE_ROWS = 100
LONGEST_NAME = 200


class StatusFilter(ChoiceFilter):
    title = "status"
    parameter_name = "status"
    field = Run.status.field


@admin.register(Run)
class RunAdmin(ConsoleAdmin[Run]):
    """Rows are written by the dialer alone; what people may do goes through `telephony.services`."""

    audit_kind = "campaign"
    operate_role: ClassVar[Role] = Role.EDITOR
    list_display = ("campaign", "state", "progress_now", "lines", "waiting", "created", "controls")
    list_display_links = ("campaign",)
    list_filter = (StatusFilter, ("workspace", RelatedDropdownFilter), ("agent", RelatedDropdownFilter))
    list_filter_submit = True
    list_before_template = "console/run/live_list.html"
    list_select_related = ("progress", "node", "agent", "workspace")
    search_fields = ("name__icontains", "call_id__startswith", "node__node_id")
    search_help_text = "Search by name, campaign id or node"
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("pause_selected", "resume_selected", "cancel_selected", "export_selected")
    empty_icon = "campaign"
    empty_title = "No campaign yet"
    empty_text = "Start one with POST /telephony/dialer/start; it appears here at once and moves while you watch."

    # --- the list -------------------------------------------------------------------------------

    @admin.display(description="campaign")
    def campaign(self, run: Run) -> SafeString:
        return two_lines(run.name or run.call_id, f"{run.agent} · {run.node}")

    @admin.display(description="status")
    def state(self, run: Run) -> SafeString:
        return _live_cell(run, "state", run_badge(run))

    @admin.display(description="progress")
    def progress_now(self, run: Run) -> SafeString:
        return _live_cell(run, "progress", progress_cell(run.progress))

    @admin.display(description="lines in use")
    def lines(self, run: Run) -> SafeString:
        return _live_cell(run, "lines", lines_cell(run))

    @admin.display(description="waiting for")
    def waiting(self, run: Run) -> SafeString:
        return _live_cell(run, "waiting", _waiting_cell(run))

    @admin.display(description="created")
    def created(self, run: Run) -> SafeString:
        return when(run.created_at)

    @admin.display(description="actions")
    def controls(self, run: Run) -> SafeString:
        return _live_cell(run, "controls", state_part(run, may_operate=run.may_operate, small=True))  # type: ignore[attr-defined]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        for run in changelist.result_list:
            run.may_operate = self.may_operate(request, run)
        changelist.watched = watched(request)  # type: ignore[attr-defined]
        return changelist

    # --- who may --------------------------------------------------------------------------------

    def may_operate(self, request: HttpRequest, run: Run | None = None) -> bool:
        """Whether the person may pause, resume, cancel and rename."""
        return self.may(request, self.operate_role, run)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may_operate(request)

    # --- the page of one ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("dashboard/live/", wrap(dashboard.live), name="telephony_dashboard_live"),
            path("live/", wrap(self.live_list), name="telephony_run_live_list"),
            path("<int:pk>/live/", wrap(self.live_page), name="telephony_run_live"),
            path("<int:pk>/results.csv", wrap(self.results_view), name="telephony_run_results"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="telephony_run_cancel"),
            *(
                path(f"<int:pk>/{verb}/", wrap(self.do_view), {"verb": verb}, name=f"telephony_run_{verb}")
                for verb in ("pause", "resume", "rename")
            ),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | self._shown(request, object_id)
        )

    @one_snapshot()
    def _shown(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        run = self.get_object(request, object_id)
        if run is None:
            return {}
        may = self.may_operate(request, run)
        shown = {"run": run, "facts": facts(run), "parts": run_parts(run, may_operate=may), "live": is_live(run)}
        return shown | {"may_operate": may, "is_member": run.workspace_id in roles_of(request)}

    @one_snapshot()
    def live_page(self, request: HttpRequest, pk: int) -> JsonResponse:
        """The parts of one campaign's page as they are now."""
        run = self._run(request, pk)
        return JsonResponse(live_answer(run, may_operate=self.may_operate(request, run)))

    def live_list(self, request: HttpRequest) -> JsonResponse:
        """The moving cells of the campaigns named by `ids`."""
        words = request.GET.get("ids", "").split(",")
        ids = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 19]
        parts: dict[str, SafeString] = {}
        live = False
        for run in self._runs(request).filter(pk__in=ids[:MOST_LIVE_ROWS]):
            live = live or is_live(run)
            parts |= {
                f"state-{run.pk}": run_badge(run),
                f"progress-{run.pk}": progress_cell(run.progress),
                f"lines-{run.pk}": lines_cell(run),
                f"waiting-{run.pk}": _waiting_cell(run),
                f"controls-{run.pk}": state_part(run, may_operate=self.may_operate(request, run), small=True),
            }
        return JsonResponse({"live": live, "parts": parts})

    # --- what people do with them ---------------------------------------------------------------

    def do_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Does `verb` when posted to, and goes back to where the button was; to a script it answers in JSON."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        run = self._run(request, pk, to_operate=True)
        problem = self._do(request, run, verb, name=request.POST.get("name", ""))
        if request.accepts("text/html"):
            self._tell(request, verb, [(run, problem)])
            return HttpResponseRedirect(_back(request, pk=pk))
        if problem is not None:
            return JsonResponse({"detail": str(problem.detail)}, status=problem.status_code)
        return JsonResponse({"name": str(self._run(request, pk))})

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks first; cancels when confirmed."""
        back = _back(request, pk=pk)
        answer = self._all(request, CANCEL, [self._run(request, pk, to_operate=True)], back=back)
        return answer or HttpResponseRedirect(back)

    @admin.action(description="Pause…", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponse | None:
        return self._all(request, PAUSE, self._chosen(chosen), back=request.get_full_path(), action="pause_selected")

    @admin.action(description="Resume…", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponse | None:
        return self._all(request, RESUME, self._chosen(chosen), back=request.get_full_path(), action="resume_selected")

    @admin.action(description="Cancel…", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponse | None:
        return self._all(request, CANCEL, self._chosen(chosen), back=request.get_full_path(), action="cancel_selected")

    def _all(
        self, request: HttpRequest, verb: Verb, runs: list[Run], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        """Ask, and when confirmed carry `verb` out on each that the person may operate; None when it is done."""
        allowed = [run for run in runs if self.may_operate(request, run)]
        if not is_confirmed(request):
            forbidden = [run for run in runs if run not in allowed]
            asked = confirmation_of(verb, allowed, forbidden=forbidden, back=back, action=action)
            if asked is not None:
                return ask(request, self.admin_site, asked)
            sentence = f"None of these campaigns can be {DONE_TO[verb.name]}: {verb.refusal}."
            self.message_user(request, sentence, messages.WARNING)
            return None
        hangup = request.POST.get("hangup") == "on"
        done = [(run, self._do(request, run, verb.name, hangup=hangup)) for run in fitting(verb, allowed)[0]]
        self._tell(request, verb.name, done)
        return None if action else HttpResponseRedirect(back)

    def _do(self, request: HttpRequest, run: Run, verb: str, *, name: str = "", hangup: bool = False) -> Problem | None:
        """Carry `verb` out through the services; why not, where it was refused."""
        user = cast(User, request.user)  # the site lets nobody else in
        try:
            if verb == "pause":
                services.pause_run(run=run, user=user)
            elif verb == "resume":
                services.resume_run(run=run, user=user)
            elif verb == "cancel":
                services.cancel_run(run=run, user=user, hangup=hangup)
            else:
                services.rename_run(run=run, name=_checked_name(name), user=user)
        except Problem as problem:
            return problem
        return None

    def _tell(self, request: HttpRequest, verb: str, done: Sequence[tuple[Run, Problem | None]]) -> None:
        well = [str(run) for run, problem in done if problem is None]
        if well:
            self.message_user(request, f"{DONE_WORDS[verb]}: {', '.join(well)}.", messages.SUCCESS)
        for run, problem in done:
            if problem is not None:
                self.tell_problem(request, problem, about=str(run))

    def _chosen(self, chosen: QuerySet[Run]) -> list[Run]:
        return list(chosen.select_related("progress", "workspace"))

    # --- results --------------------------------------------------------------------------------

    def results_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """What came of every number of a campaign, as CSV."""
        return results_of(self._run(request, pk))

    @admin.action(description="Download results (CSV)", permissions=["view"])
    def export_selected(self, request: HttpRequest, chosen: QuerySet[Run]) -> HttpResponseBase | None:
        runs = list(chosen.select_related("workspace").order_by("-pk")[: MOST_EXPORTED + 1])
        if len(runs) > MOST_EXPORTED:
            self.message_user(request, f"Choose at most {MOST_EXPORTED} campaigns at once.", messages.WARNING)
            return None
        if not runs:
            self.message_user(request, "None of these campaigns is there any more.", messages.WARNING)
            return None
        return results_of(runs[0]) if len(runs) == 1 else results_together(runs)

    # --- rows -----------------------------------------------------------------------------------

    def _runs(self, request: HttpRequest) -> QuerySet[Run]:
        return self.get_queryset(request).select_related("progress", "node", "agent", "workspace", "account", "api_key")

    def _run(self, request: HttpRequest, pk: int, *, to_operate: bool = False) -> Run:
        """The run, if the person may see it; PermissionDenied where they may see but not operate it."""
        run = self._runs(request).filter(pk=pk).first()
        if run is None or not self.has_view_permission(request, run):
            raise Http404("No such campaign.")
        if to_operate and not self.may_operate(request, run):
            raise PermissionDenied
        return run


def _checked_name(text: str) -> str:
    try:
        return str(CharField(max_length=LONGEST_NAME, required=False).clean(text))
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from None


def _live_cell(run: Run, name: str, content: SafeString) -> SafeString:
    return format_html('<div data-part="{}-{}">{}</div>', name, run.pk, content)


def _waiting_cell(run: Run) -> SafeString:
    short, sentence = wait_words(run)
    attempt = next_attempt(run, now=timezone.now())
    if not short:
        return muted("—")
    return format_html('<span class="tp-two" title="{}"><b>{}</b><small>{}</small></span>', sentence, short, attempt)


def _back(request: HttpRequest, *, pk: int) -> str:
    """Where the button was: the list, if it says so, else the campaign's page."""
    if request.GET.get("from") == "list":
        return reverse("admin:telephony_run_changelist")
    if request.GET.get("from") == "dashboard":
        return reverse("admin:index")
    return reverse("admin:telephony_run_change", args=(pk,))
