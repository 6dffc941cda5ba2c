"""Addresses of this floor."""

from __future__ import annotations

from django.urls import path

from integrations.api.keys import KeysView
from integrations.api.phone_numbers import PhoneNumbersView

urlpatterns = [
    path("integrations/elevenlabs/keys", KeysView.as_view()),
    path("integrations/sip/phone-numbers", PhoneNumbersView.as_view()),
]
