"""Addresses that providers post to."""

from __future__ import annotations

from django.urls import path

from telephony.webhooks import views

urlpatterns = [path("webhooks/elevenlabs/<slug:public_id>", views.elevenlabs, name="webhook-elevenlabs")]
