"""The carrier of a phone-number node: checked, merged into what is there, and shown without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import RestrictedError

from aispinner.core.access import node_in
from aispinner.core.audit import record
from aispinner.core.errors import Conflict, Invalid, NotFound
from aispinner.core.models import Node, NodeType
from integrations.elevenlabs.schemas import PhoneNumber
from integrations.models import Account, Carrier, PhoneProvider
from integrations.numbers import parse_e164

_FIELDS = MappingProxyType(
    {
        Carrier.TWILIO: ("twilio_sid", "twilio_token", "twilio_phone"),
        Carrier.SIP: ("sip_server", "sip_port", "sip_user", "sip_password", "sip_phone"),
    }
)
_SECRETS = frozenset({"twilio_sid", "twilio_token", "sip_password"})
_REGISTERED_WITH = frozenset({"twilio_sid", "twilio_token", "sip_server", "sip_port", "sip_user", "sip_password"})
_SHOWN_ONLY = frozenset(  # of our own answers, so that what was read can be sent back
    {"workspace_id", "node_id", "imported", "registered", "phone_number_id", "created_at", "updated_at"}
    | {"has_" + name for name in _SECRETS}
)
_LONGEST_SECRET = 500
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_ELEVENLABS_CARRIERS = MappingProxyType({"twilio": Carrier.TWILIO, "sip_trunk": Carrier.SIP})


@dataclass(frozen=True, kw_only=True)
class SavedProvider:
    """The saved row, and sentences about what still stands in the way of calls."""

    provider: PhoneProvider
    warnings: list[str] = field(default_factory=list)


def provider_of(*, node: Node) -> PhoneProvider:
    """The node's phone provider; NotFound (404) where it has none."""
    provider = PhoneProvider.objects.select_related("node", "agent_node").filter(node=node).first()
    if provider is None:
        raise NotFound("This node has no phone provider. PUT one at this address, or POST …/phone-provider/import.")
    return provider


def shown(provider: PhoneProvider) -> dict[str, Any]:
    """The provider as clients see it: its carrier's fields, secrets only as `has_…`."""
    carrier: dict[str, Any] = {}
    for name in _FIELDS[Carrier(provider.provider)]:
        value = getattr(provider, name)
        carrier |= {f"has_{name}": bool(value)} if name in _SECRETS else {name: value or None}
    return {
        "workspace_id": provider.node.workspace_id,
        "node_id": provider.node.node_id,
        "provider": provider.provider,
        **carrier,
        "agent_node_id": provider.agent_node.node_id if provider.agent_node else None,
        "imported": provider.imported,
        "registered": bool(provider.registered_id),
        "phone_number_id": provider.registered_id or None,
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
    }


def save_provider(*, node: Node, data: Mapping[str, Any]) -> SavedProvider:
    """Write `data` (the published fields) to the node's provider; what is left out stays as it is.

    Invalid (422) for unknown or another carrier's fields, and for what the carrier needs and has not.
    """
    with transaction.atomic():
        Node.objects.select_for_update(no_key=True).get(pk=node.pk)
        row = PhoneProvider.objects.filter(node=node).first()
        values = _checked(node, data, existing=row)
        changed = {name for name, value in values.items() if row is None or getattr(row, name) != value}
        renumbered = row is None or bool(changed & {"provider", "twilio_phone", "sip_phone"})
        row = row or PhoneProvider(node=node)
        was_registered = bool(row.registered_id)
        for name, value in values.items():
            setattr(row, name, value)
        if renumbered:
            row.registered_account, row.registered_id = None, ""
        if renumbered or changed & _REGISTERED_WITH:
            row.imported = False
        _demand_complete(row)
        is_new = row.pk is None
        row.save()
        row.node = node
        if is_new or changed:
            action = "phone_provider.added" if is_new else "phone_provider.changed"
            record(action=action, about=row, workspace=node.workspace, changes={"fields": sorted(changed)})
    warnings = _warnings(row, stale=was_registered and not renumbered and bool(changed & _REGISTERED_WITH))
    return SavedProvider(provider=row, warnings=warnings)


def save_imported(*, node: Node, number: PhoneNumber, account: Account, agent_node: Node | None) -> PhoneProvider:
    """Take over a number that is registered at ElevenLabs: complete without its carrier's credentials.

    Invalid (422) where its carrier is none of ours. `agent_node` None leaves the one that is there.
    """
    carrier = _ELEVENLABS_CARRIERS.get(number.provider)
    if carrier is None:
        raise Invalid("This number's carrier is neither Twilio nor a SIP trunk, which is all that is supported here.")
    with transaction.atomic():
        Node.objects.select_for_update(no_key=True).get(pk=node.pk)
        row = PhoneProvider.objects.filter(node=node).first() or PhoneProvider(node=node)
        if row.provider != carrier or row.phone != number.phone_number:
            _clear(row)
        row.provider = carrier
        if carrier == Carrier.TWILIO:
            row.twilio_phone = number.phone_number
        else:
            host, _, port = number.sip_address.partition(":")
            row.sip_phone, row.sip_server, row.sip_user = number.phone_number, host[:255], number.sip_username[:255]
            row.sip_port = int(port) if port.isdigit() and 0 < int(port) < 65536 else None
        row.imported, row.registered_account, row.registered_id = True, account, number.id
        row.agent_node = agent_node or row.agent_node
        row.save()
        row.node = node
        record(action="phone_provider.imported", about=row, workspace=node.workspace, changes={"carrier": carrier})
    return row


@transaction.atomic
def delete_provider(*, provider: PhoneProvider) -> None:
    """Remove it here; nothing changes at ElevenLabs. Conflict (409) while an unfinished campaign dials with it."""
    record(action="phone_provider.removed", about=provider, workspace=provider.node.workspace)
    try:
        provider.delete()
    except RestrictedError:
        raise Conflict(
            "Campaigns that have not ended dial with it. Let them end, or cancel them; then delete it."
        ) from None


def _checked(node: Node, data: Mapping[str, Any], *, existing: PhoneProvider | None) -> dict[str, Any]:
    """The values to write; all complaints at once."""
    carrier = _carrier(data, existing)
    mine = _FIELDS[carrier]
    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {"provider": carrier}
    if existing is not None and existing.provider != carrier:
        values |= {name: None if name == "sip_port" else "" for name in _all_fields() if name not in mine}
    for name, value in data.items():
        if name in _SHOWN_ONLY or name in {"provider", "agent_node_id"}:
            continue
        if name not in mine:
            if value not in (None, "") or name not in _all_fields():
                errors[name] = [f"Not a field of {carrier.value}, which takes {', '.join(mine)} and agent_node_id."]
            continue
        if name in _SECRETS and value in (None, ""):
            continue  # left out: it stays as it is
        try:
            values[name] = _value(name, value)
        except ValueError as error:
            errors[name] = [str(error)]
    if "agent_node_id" in data:
        values["agent_node"] = _agent_node(node, data["agent_node_id"], errors)
    if errors:
        name, sentences = next(iter(errors.items()))
        raise Invalid(f"{name}: {sentences[0]}", errors=errors)
    return values


def _carrier(data: Mapping[str, Any], existing: PhoneProvider | None) -> Carrier:
    name = data.get("provider", existing.provider if existing else None)
    if not isinstance(name, str) or name not in Carrier.values:
        raise Invalid("provider takes twilio or sip.", errors={"provider": ["Takes twilio or sip."]})
    return Carrier(name)


def _all_fields() -> tuple[str, ...]:
    return tuple(name for names in _FIELDS.values() for name in names)


def _value(name: str, value: Any) -> Any:
    """One field's value as it is stored; ValueError with a sentence."""
    if name == "sip_port":
        if value is None or (type(value) is int and 1 <= value <= 65535):
            return value
        raise ValueError("Takes a whole number from 1 to 65535.")
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("Takes text.")
    value = value.strip()
    if name in {"twilio_phone", "sip_phone"}:
        return parse_e164(value) if value else ""
    if len(value) > (_LONGEST_SECRET if name in _SECRETS else 255):
        raise ValueError("Too long.")
    if name == "twilio_sid" and not value.startswith(("AC", "SK")):
        raise ValueError("Starts with AC (account) or SK (API key). Copy it from the Twilio console.")
    if name == "sip_server" and value and not _HOST.match(value):
        raise ValueError("Takes a host name or address such as sip.example.org, without scheme; the port is sip_port.")
    return value


def _agent_node(node: Node, node_id: Any, errors: dict[str, list[str]]) -> Node | None:
    if node_id is None or node_id == "":
        return None
    try:
        return node_in(workspace=node.workspace, node_id=node_id, types=[NodeType.AGENT])
    except (Invalid, NotFound):
        errors["agent_node_id"] = ["Takes the id of an ai.agent node of this workspace."]
        return None


def _demand_complete(row: PhoneProvider) -> None:
    if row.imported:
        return
    needed = ("twilio_sid", "twilio_token", "twilio_phone") if row.provider == Carrier.TWILIO else ("sip_server",)
    missing = [name for name in needed if not getattr(row, name)]
    if missing:
        raise Invalid(
            f"{row.get_provider_display()} also needs {', '.join(missing)}.",
            errors={name: ["This field is needed."] for name in missing},
        )


def _warnings(row: PhoneProvider, *, stale: bool) -> list[str]:
    found = []
    if not row.phone:
        found.append("ElevenLabs needs the number of the trunk to place calls: set sip_phone (E.164).")
    if stale:
        found.append(
            "The number is registered at ElevenLabs with the credentials it had before. Change them there as well."
        )
    return found


def _clear(row: PhoneProvider) -> None:
    for name in _all_fields():
        setattr(row, name, None if name == "sip_port" else "")
