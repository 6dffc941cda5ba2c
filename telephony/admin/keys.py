"""ElevenLabs keys in the admin: taken once, checked at ElevenLabs, then shown by their last 4 characters only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import badge, muted, two_lines, when
from aispinner.core.errors import Problem
from aispinner.core.models import Role
from integrations import services
from integrations.account_words import credits_words, webhook_words
from integrations.models import ElevenLabsKey, KeyStatus
from integrations.post_call_webhook import WebhookState
from telephony.admin.health import lines_in_use
from telephony.keys import delete_unused_key

if TYPE_CHECKING:
    from django.forms import PasswordInput as SecretInput
    from django.forms import TextInput
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as SecretInput
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput


MOST_CHECKED = 20  # at once: each is a few questions to ElevenLabs


class AddKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Takes the key and has ElevenLabs check it; the row is made by the service that checks."""

    key = forms.CharField(
        label="API key",
        widget=SecretInput(attrs={"autocomplete": "off", "placeholder": "sk_…", "spellcheck": "false"}),
        help_text="From ElevenLabs, Developers, API keys. It is checked there, kept encrypted and never shown again.",
    )

    class Meta:
        model = ElevenLabsKey
        fields = ("workspace", "title")
        widgets = {"title": TextInput()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            self.added: services.AddedKey = services.add_key(
                workspace=cleaned["workspace"], title=cleaned["title"], key=cleaned["key"]
            )
        except Problem as problem:
            raise forms.ValidationError({"key": str(problem.detail)}) from None
        return cleaned

    def save(self, commit: bool = True) -> ElevenLabsKey:
        """The row that the service made."""
        self.instance = key = self.added.key
        return key

    def save_m2m(self) -> None:
        """Nothing: a key has no such fields."""


@admin.register(ElevenLabsKey)
class KeyAdmin(ConsoleAdmin[ElevenLabsKey]):
    """The key itself is a column of this model, and in no field, list or search of this page."""

    audit_kind = "key"
    add_role = change_role = delete_role = Role.OWNER
    list_display = ("named", "state", "lines", "credits", "webhook", "workspace", "checked")
    list_select_related = ("account", "workspace")
    search_fields = ("title", "last4")
    search_help_text = "Search by title or last 4 characters"
    ordering = ("-pk",)
    actions = ("check_selected",)
    change_form_outer_before_template = "console/key/check.html"
    readonly_fields = (
        *("ending", "workspace", "account", "state", "lines", "credits", "webhook", "checked", "created"),
    )
    fields = ("title", *readonly_fields)
    add_fieldsets = ((None, {"fields": ("workspace", "title", "key")}),)
    empty_icon = "key"
    empty_title = "No ElevenLabs key yet"
    empty_text = (
        "Campaigns place their calls with a key of the workspace. Add one; ElevenLabs is asked whether it is good."
    )

    @admin.display(description="key")
    def named(self, key: ElevenLabsKey) -> SafeString:
        return two_lines(key.title or "ElevenLabs key", f"ends in {key.last4}")

    @admin.display(description="key ends in")
    def ending(self, key: ElevenLabsKey) -> str:
        return f"…{key.last4}"

    @admin.display(description="status")
    def state(self, key: ElevenLabsKey) -> SafeString:
        return badge(key.get_status_display(), "ok" if key.status == KeyStatus.WORKING else "bad")

    @admin.display(description="lines in use")
    def lines(self, key: ElevenLabsKey) -> str:
        return f"{lines_in_use([key.account_id]).get(key.account_id, 0)} of {key.account.concurrency_limit}"

    @admin.display(description="credits")
    def credits(self, key: ElevenLabsKey) -> object:
        return credits_words(key.account) or muted("not told")

    @admin.display(description="results come by")
    def webhook(self, key: ElevenLabsKey) -> SafeString:
        words, tone, last = webhook_words(key.account)
        return badge(words, tone, hint=last)

    @admin.display(description="checked")
    def checked(self, key: ElevenLabsKey) -> SafeString:
        return when(key.checked_at, empty="never")

    @admin.display(description="added")
    def created(self, key: ElevenLabsKey) -> SafeString:
        return when(key.created_at)

    # --- check now ------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        check = path(
            "<int:pk>/check/", self.admin_site.admin_view(self.check_view), name="integrations_elevenlabskey_check"
        )
        return [check, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = self.get_object(request, object_id)
        context = {**(extra_context or {}), "checked_key": key if self.has_change_permission(request, key) else None}
        return super().change_view(request, object_id, form_url, context)

    def check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Checks when posted to, and goes back to the key."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = self.get_queryset(request).select_related("account", "workspace").filter(pk=pk).first()
        if key is None:
            raise Http404("No such key.")
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        self._check(request, key)
        return HttpResponseRedirect(reverse("admin:integrations_elevenlabskey_change", args=(pk,)))

    @admin.action(description="Check now", permissions=["change"])
    def check_selected(self, request: HttpRequest, chosen: QuerySet[ElevenLabsKey]) -> None:
        keys = list(chosen.select_related("account", "workspace")[: MOST_CHECKED + 1])
        if len(keys) > MOST_CHECKED:
            self.message_user(request, f"Choose at most {MOST_CHECKED} keys at once.", messages.WARNING)
            return
        for key in keys:
            if self.has_change_permission(request, key):
                self._check(request, key)

    def _check(self, request: HttpRequest, key: ElevenLabsKey) -> None:
        try:
            checked = services.check_key(key=key)
        except Problem as problem:
            self.tell_problem(request, problem, about=str(key))
        else:
            self.message_user(request, f"{key} works. {checked.webhook.detail}", messages.SUCCESS)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Keys are deleted one by one: each may still be needed."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_form(
        self, request: HttpRequest, obj: ElevenLabsKey | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = AddKeyForm
        return super().get_form(request, obj, change=change, **kwargs)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: ElevenLabsKey | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: ElevenLabsKey, form: Any, change: bool) -> None:
        if change:
            services.retitle_key(key=obj, title=obj.title)
            return
        result = form.added.webhook
        level = messages.INFO if result.state == WebhookState.REGISTERED else messages.WARNING
        self.message_user(request, result.detail, level)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks first, and says why where it cannot be."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except Problem as problem:
            self.tell_problem(request, problem)
            return HttpResponseRedirect(reverse("admin:integrations_elevenlabskey_change", args=(object_id,)))

    def delete_model(self, request: HttpRequest, obj: ElevenLabsKey) -> None:
        delete_unused_key(key=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The key alone: what was sent with it stays, and merely forgets it."""
        return [str(key) for key in objs], {"ElevenLabs keys": len(objs)}, set(), []
