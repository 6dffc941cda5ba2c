"""Keys and accounts at ElevenLabs, and the numbers registered there: what changes them, each thing once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

import structlog
from django.db import transaction
from django.utils import timezone

from aispinner.core.audit import changed, record
from aispinner.core.errors import Invalid
from aispinner.core.locks import named_lock
from aispinner.core.models import Workspace
from integrations.calls import VoiceStack
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.schemas import AccountInfo, PhoneNumber
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import longest_request
from integrations.models import Account, Carrier, ElevenLabsKey, KeyStatus, PhoneProvider
from integrations.post_call_webhook import WebhookResult, register_webhook
from integrations.problems import problem_from

LINES_BY_TIER = MappingProxyType(  # conversations at once; ElevenLabs' API does not tell them
    {"free": 4, "starter": 6, "creator": 10, "pro": 20, "scale": 30, "business": 30}
)
LINES_OTHERWISE = 4
_LONGEST_KEY = 400

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class AddedKey:
    """A key that ElevenLabs accepted, and how results of its account's calls will reach us."""

    key: ElevenLabsKey
    webhook: WebhookResult


def add_key(*, workspace: Workspace, title: str, key: str) -> AddedKey:
    """Check `key` at ElevenLabs and keep it; the same key again is checked again and stays one row.

    Invalid (422) where it cannot be a key or ElevenLabs refuses it, ProviderFailed (502) where that cannot be asked.
    """
    text = key.strip()
    if not text.startswith("sk_") or not text.isascii() or not text.isprintable() or len(text) > _LONGEST_KEY:
        raise _refused("An ElevenLabs API key starts with sk_. Copy it from ElevenLabs, Developers, API keys.")
    info = _ask_whose(text)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)  # the same key twice at once is one row
        account, _ = Account.objects.get_or_create(
            voice_stack=VoiceStack.ELEVENLABS,
            external_id=info.external_id,
            defaults={"tier": info.tier, "concurrency_limit": LINES_BY_TIER.get(info.tier, LINES_OTHERWISE)},
        )
        _learn(account, info)
        row = _same_key(workspace, text) or ElevenLabsKey(workspace=workspace, key=text, last4=text[-4:])
        is_new = row.pk is None
        row.account, row.status, row.checked_at = account, KeyStatus.WORKING, timezone.now()
        row.title = title or row.title
        row.save()
        record(action="key.added" if is_new else "key.checked", about=row, workspace=workspace)
    log.info("key_added", workspace=workspace.pk, key=row.pk, account=account.pk)
    return AddedKey(key=row, webhook=register_webhook(key=row))


def check_key(*, key: ElevenLabsKey) -> AddedKey:
    """Ask ElevenLabs whether the key is still good, what credits are left, and for our webhook.

    Invalid (422) where it is refused, which is then remembered; ProviderFailed (502) where that cannot be asked.
    """
    try:
        info = _ask_whose(key.key)
    except Invalid:
        mark_key_refused(key_id=key.pk)
        raise
    with transaction.atomic():
        mark_key_working(key_id=key.pk)
        _learn(key.account, info)
        record(action="key.checked", about=key, workspace=key.workspace)
    return AddedKey(key=key, webhook=register_webhook(key=key))


def delete_key(*, key: ElevenLabsKey) -> None:
    """Forget the key. Whoever calls this has made sure that nothing unfinished was sent with it."""
    log.info("key_deleted", workspace=key.workspace_id, key=key.pk, account=key.account_id)
    with transaction.atomic():
        record(action="key.deleted", about=key, workspace=key.workspace)
        key.delete()


@transaction.atomic
def retitle_key(*, key: ElevenLabsKey, title: str) -> None:
    """Call the key something else."""
    before = ElevenLabsKey.objects.values_list("title", flat=True).get(pk=key.pk)
    key.title = title
    key.save(update_fields=["title"])
    record(
        action="key.renamed", about=key, workspace=key.workspace, changes=changed({"title": before}, {"title": title})
    )


@transaction.atomic
def set_lines(*, account: Account, limit: int) -> None:
    """Allow the account so many calls at once; noted in every workspace that has a key of it."""
    before = Account.objects.select_for_update(no_key=True).get(pk=account.pk).concurrency_limit
    account.concurrency_limit = limit
    account.save(update_fields=["concurrency_limit"])  # the rest is the dialer's, and may have changed meanwhile
    changes = changed({"concurrency_limit": before}, {"concurrency_limit": limit})
    for workspace in Workspace.objects.filter(elevenlabs_keys__account=account).distinct() if changes else ():
        record(action="account.changed", about=account, workspace=workspace, changes=changes)


def mark_key_refused(*, key_id: int) -> None:
    """Remember that ElevenLabs no longer takes this key, so that nothing new starts with it."""
    ElevenLabsKey.objects.filter(pk=key_id).update(status=KeyStatus.REFUSED, checked_at=timezone.now())


def mark_key_working(*, key_id: int) -> None:
    """ElevenLabs takes this key (again)."""
    ElevenLabsKey.objects.filter(pk=key_id).update(status=KeyStatus.WORKING, checked_at=timezone.now())


def newest_working_key(*, workspace: Workspace, account: Account | None = None) -> ElevenLabsKey | None:
    """The key that new work starts with; of `account`, where given."""
    return next(iter(working_keys(workspace=workspace, account=account)), None)


def working_keys(*, workspace: Workspace, account: Account | None = None) -> list[ElevenLabsKey]:
    """All keys that ElevenLabs took when it was last asked, newest first."""
    keys = ElevenLabsKey.objects.filter(workspace=workspace, status=KeyStatus.WORKING).select_related("account")
    if account is not None:
        keys = keys.filter(account=account)
    return list(keys.order_by("-created_at", "-pk"))


def register_number(*, phone_provider: PhoneProvider, key: ElevenLabsKey) -> str:
    """The id of the provider's number at ElevenLabs: known, found there by its number, or created; created once.

    ProviderError, never UNKNOWN: asking again is always safe, because it looks before it creates.
    """
    known = _registered_id(phone_provider.pk, key.account_id)
    if known:
        return known
    number = phone_provider.phone
    if not number:
        raise ProviderError(answer=Answer.REFUSED, reason=Reason.NUMBER_MISSING)
    with named_lock(f"number-of-account:{key.account_id}:{number}", wait=longest_request() * 3) as taken:
        if not taken:
            raise ProviderError(answer=Answer.NOT_DONE, reason=Reason.PROVIDER_BUSY)
        known = _registered_id(phone_provider.pk, key.account_id)
        if known:
            return known
        phone_number_id = _find_or_create(phone_provider, key)
        return _record(phone_provider, key.account_id, phone_number_id)


def forget_registration(*, phone_provider_id: int) -> None:
    """Have the number looked for (and if need be created) again: ElevenLabs says that it is not there any more."""
    PhoneProvider.objects.filter(pk=phone_provider_id).update(registered_account=None, registered_id="")


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, errors={"key": [sentence]})


def _ask_whose(text: str) -> AccountInfo:
    client = ElevenLabsClient(api_key=text)
    try:
        info = client.account()
        client.check_agents_readable()
    except ProviderError as error:
        if error.reason is Reason.KEY_REFUSED:
            raise _refused("ElevenLabs refuses this key. Check that it was copied whole and is not disabled.") from None
        if error.reason is Reason.NOT_ALLOWED:
            raise _refused(
                "This key may not read agents. Give it the permissions for ElevenLabs Agents (read and write)."
            ) from None
        raise problem_from(error) from None
    return info


def _learn(account: Account, info: AccountInfo) -> None:
    """Keep what was told of the account; a key that may not read it tells nothing."""
    told = {"tier": info.tier, "credits_used": info.credits_used, "credits_limit": info.credits_limit}
    news = {name: value for name, value in told.items() if value not in ("", None) and getattr(account, name) != value}
    for name, value in news.items():
        setattr(account, name, value)
    if news:
        account.save(update_fields=list(news))


def _same_key(workspace: Workspace, text: str) -> ElevenLabsKey | None:
    candidates = ElevenLabsKey.objects.filter(workspace=workspace, last4=text[-4:])
    return next((row for row in candidates if row.key == text), None)


def _registered_id(phone_provider_id: int, account_id: int) -> str:
    registered = PhoneProvider.objects.filter(pk=phone_provider_id, registered_account_id=account_id)
    return registered.values_list("registered_id", flat=True).first() or ""


def _find_or_create(provider: PhoneProvider, key: ElevenLabsKey) -> str:
    client = ElevenLabsClient(api_key=key.key)
    try:
        found = _by_number(client.list_phone_numbers(), provider)
        return found.id if found else _create(client, provider)
    except ProviderError as error:
        if error.answer is Answer.UNKNOWN:
            error.answer = Answer.NOT_DONE  # what may have been created will be found next time
        if error.reason in {Reason.INVALID, Reason.CONFLICT, Reason.NOT_FOUND} and error.answer is Answer.REFUSED:
            error.reason = Reason.NUMBER_MISSING
        raise


def _by_number(numbers: Iterable[PhoneNumber], provider: PhoneProvider) -> PhoneNumber | None:
    return next((each for each in numbers if each.phone_number == provider.phone), None)


def _create(client: ElevenLabsClient, provider: PhoneProvider) -> str:
    label = f"AiSpinner {provider.phone}"
    if provider.provider == Carrier.TWILIO and provider.twilio_sid and provider.twilio_token:
        return client.create_twilio_number(
            phone_number=provider.phone, label=label, sid=provider.twilio_sid, token=provider.twilio_token
        )
    if provider.provider == Carrier.SIP and provider.sip_server:
        port = f":{provider.sip_port}" if provider.sip_port else ""
        return client.create_sip_number(
            phone_number=provider.phone,
            label=label,
            address=provider.sip_server + port,
            username=provider.sip_user,
            password=provider.sip_password,
        )
    raise ProviderError(answer=Answer.REFUSED, reason=Reason.NUMBER_MISSING)


def _record(provider: PhoneProvider, account_id: int, phone_number_id: str) -> str:
    with transaction.atomic():
        row = PhoneProvider.objects.select_for_update(no_key=True).filter(pk=provider.pk).first()
        if row is None or row.phone != provider.phone or row.provider != provider.provider:
            # It was changed meanwhile: this id is not the new number's.
            raise ProviderError(answer=Answer.NOT_DONE, reason=Reason.PROVIDER_BUSY)
        row.registered_account_id, row.registered_id = account_id, phone_number_id
        row.save(update_fields=["registered_account", "registered_id"])
    log.info("number_registered", phone_provider=provider.pk, account=account_id, phone_number_id=phone_number_id)
    return phone_number_id
