"""What `manage.py check` looks at beyond Django's own: settings that start well and go wrong later."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register  # noqa: A004 - Django's own name

LEAST_CONNECTIONS = 5  # four threads of the web process and one to spare


@register(Tags.security)
def check_encryption(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Credentials are encrypted with FERNET_KEYS themselves, not with something derived from them."""
    if not getattr(settings, "FERNET_USE_HKDF", True):
        return []
    return [
        Error(
            "FERNET_USE_HKDF is not False: the library would derive its keys, and what is stored could not be read.",
            hint="Set FERNET_USE_HKDF = False in aispinner/settings.py.",
            id="aispinner.E001",
        )
    ]


@register(Tags.security)
def check_debug(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """No debug pages on a server that the world reaches."""
    if not (settings.DEBUG and settings.HTTPS):
        return []
    return [
        Error(
            "DEBUG is on while PUBLIC_URL is public: error pages would show settings and data.",
            hint="Unset DEBUG, or unset PUBLIC_URL.",
            id="aispinner.E002",
        )
    ]


@register(Tags.database)
def check_pool(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every thread that serves requests finds a connection."""
    size = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    if size >= LEAST_CONNECTIONS:
        return []
    return [
        Warning(
            f"DATABASE_POOL is {size}: requests will wait for each other's database connections.",
            hint=f"Set DATABASE_POOL to {LEAST_CONNECTIONS} or more.",
            id="aispinner.W003",
        )
    ]


@register(Tags.files)
def check_media(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Recordings can be kept."""
    try:
        settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.MEDIA_ROOT):
            return []
    except OSError as error:
        return [
            Error(
                f"MEDIA_ROOT cannot be written to: {os.strerror(error.errno) if error.errno else error}.",
                hint="Recordings are kept there. Make the folder writable for this user, or set MEDIA_ROOT to another.",
                id="aispinner.E004",
            )
        ]


@register()
def check_public_url(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Providers can tell us what happened."""
    if settings.PUBLIC_URL:
        return []
    return [
        Info(
            "PUBLIC_URL is not set: providers cannot send webhooks, and results are polled for instead.",
            hint="Set it to the address under which providers reach this server, e.g. https://calls.example.org.",
            id="aispinner.I005",
        )
    ]


@register(Tags.security, deploy=True)
def check_hosts(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A public server knows its own name."""
    host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0].partition(":")[0]
    allowed = settings.ALLOWED_HOSTS
    if not host or "*" in allowed or any(host == name or (name[:1] == "." and host.endswith(name)) for name in allowed):
        return []
    return [
        Warning(
            f"{host}, the host of PUBLIC_URL, is not in ALLOWED_HOSTS: webhooks would be refused.",
            hint=f"Add it: ALLOWED_HOSTS={','.join([*allowed, host])}",
            id="aispinner.W006",
        )
    ]
