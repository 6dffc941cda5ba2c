"""The way in for people: a page that asks for name and password, and the way out. Guessing is slow at every door."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from rest_framework.request import Request
from unfold.forms import AuthenticationForm as AdminForm

from aispinner.core.api.tokens import LoginThrottle

TOO_MANY = "Too many attempts with this name. Wait a minute, then try again."


class SlowToGuess(AuthenticationForm):
    """As many attempts as POST /auth/token allows, and counted with them."""

    def clean(self) -> dict[str, Any]:
        """ValidationError where the name or the password is wrong, or has been too often."""
        if isinstance(self.request, HttpRequest) and not _may_try(self.request, self.data.get("username", "")):
            raise forms.ValidationError(TOO_MANY, code="too_many")
        return super().clean()


class AdminLoginForm(SlowToGuess, AdminForm):  # type: ignore[misc]  # unfold has no types
    """The admin's, which lets in staff alone."""


class PageLoginView(LoginView):
    """`/login`: for every member, staff or not."""

    template_name = "login.html"
    authentication_form = SlowToGuess
    redirect_authenticated_user = True


def _may_try(request: HttpRequest, name: object) -> bool:
    attempt = Request(request)
    attempt._full_data = {"username": name}  # type: ignore[attr-defined]  # a form's fields are read already
    return bool(LoginThrottle().allow_request(attempt, None))  # type: ignore[arg-type]  # no view is looked at
