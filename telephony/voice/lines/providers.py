"""The PBXs that workspaces have set up, as the settings say now, and the accounts that stand for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db.models import Count, Max
from django.utils.crypto import salted_hmac

from integrations.asterisk.client import Login
from integrations.calls import VoiceStack
from integrations.models import Account
from telephony.models import TelephonySettings

APP = "aispinner"
LINES = 10  # calls at once, where the settings do not say
RING_SECONDS = 45
NEEDED = ("url", "username", "password", "endpoint")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One way out of one PBX: a trunk, and how calls are placed over it."""

    workspace_id: int
    id: str
    login: Login
    endpoint: str  # what Asterisk dials, with {number} in it
    caller_id: str = field(default="", repr=False)
    calls_per_second: float = 1.0
    ring_seconds: int = RING_SECONDS
    max_concurrent: int | None = None
    media: str = "auto"  # or websocket, audiosocket
    amd_context: str = ""

    @property
    def key(self) -> tuple[int, str]:
        """Of this provider among all."""
        return self.workspace_id, self.id


@dataclass(frozen=True, kw_only=True)
class Pbx:
    """One ARI application as one set of credentials opens it, and the providers that dial through it."""

    account_id: int
    login: Login
    providers: Mapping[tuple[int, str], Provider]


def provider_of(*, workspace_id: int, provider_id: str) -> Provider | None:
    """The workspace's provider as it is set up now; None where it is missing, or not complete."""
    stored = TelephonySettings.objects.filter(workspace=workspace_id).first()
    listed = stored.settings_json.get("providers", []) if stored is not None else []
    found = next((each for each in listed if each.get("id") == provider_id), None)
    return _read(workspace_id, found) if found is not None else None


def account_of(provider: Provider) -> Account:
    """The PBX's account, whose lines all campaigns over it share; made when first needed."""
    account, _ = Account.objects.get_or_create(
        voice_stack=VoiceStack.CUSTOM_VOICE,
        external_id=account_name(provider.login),
        defaults={"concurrency_limit": provider.max_concurrent or LINES, "next_look_at": None},
    )
    if provider.max_concurrent is not None and account.concurrency_limit != provider.max_concurrent:
        account.concurrency_limit = provider.max_concurrent
        account.save(update_fields=["concurrency_limit"])
    return account


def account_name(login: Login) -> str:
    """What makes two providers the same PBX: its address and the application's name."""
    name = f"{login.app}@{login.url.rstrip('/')}"
    return name if len(name) <= 200 else f"{login.app}@{sha256(name.encode()).hexdigest()}"


def digest_of(login: Login) -> str:
    """Tells whether two credentials are the same, and nothing else."""
    return salted_hmac("telephony.voice.lines", f"{login.username}\0{login.password}", algorithm="sha256").hexdigest()


def settings_mark() -> tuple[int, datetime | None]:
    """Changes whenever any workspace's settings do."""
    found = TelephonySettings.objects.aggregate(count=Count("pk"), last=Max("updated_at"))
    return found["count"], found["last"]


def pbxes() -> Sequence[Pbx]:
    """Every PBX that some workspace has set up completely."""
    by_login: dict[Login, dict[tuple[int, str], Provider]] = defaultdict(dict)
    for stored in TelephonySettings.objects.order_by("pk"):
        for each in stored.settings_json.get("providers", []):
            provider = _read(stored.workspace_id, each)
            if provider is not None:
                by_login[provider.login][provider.key] = provider
    return [
        Pbx(account_id=account_of(next(iter(providers.values()))).pk, login=login, providers=providers)
        for login, providers in by_login.items()
    ]


def _read(workspace_id: int, stored: Mapping[str, Any]) -> Provider | None:
    if any(not stored.get(name) for name in NEEDED):
        return None
    login = Login(
        url=str(stored["url"]).rstrip("/"),
        app=stored.get("app") or APP,
        username=stored["username"],
        password=stored["password"],
    )
    return Provider(
        workspace_id=workspace_id,
        id=stored["id"],
        login=login,
        endpoint=stored["endpoint"],
        caller_id=stored.get("caller_id", ""),
        calls_per_second=stored.get("calls_per_second", 1.0),
        ring_seconds=stored.get("ring_seconds", RING_SECONDS),
        max_concurrent=stored.get("max_concurrent"),
        media=stored.get("media", "auto"),
        amd_context=stored.get("amd_context", ""),
    )
