"""Encrypting anew with a new key, beside a running server, in as many runs as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from fernet_fields import EncryptedField

from aispinner.core import rotation
from aispinner.core.models import NodeType, Workspace
from integrations.models import ElevenLabsKey, PhoneProvider
from telephony.models import TelephonySettings
from tests.factories import make_account, make_key, make_node, make_phone_provider

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class Keys:
    """FERNET_KEYS, and the fields that remember them."""

    def __init__(self, settings: LazySettings) -> None:
        self._settings = settings

    def use(self, *keys: str) -> None:
        """As after a restart with these keys, newest first."""
        self._settings.FERNET_KEYS = list(keys)
        forget_keys()


def forget_keys() -> None:
    for column in rotation.encrypted_columns():
        for name in ("keys", "fernet_keys", "fernet"):
            column.field.__dict__.pop(name, None)


@pytest.fixture
def keys(settings: LazySettings, db: None) -> Iterator[Keys]:
    keys = Keys(settings)
    before = settings.FERNET_KEYS
    keys.use(OLD)
    yield keys
    keys.use(*before)


def rotate() -> str:
    out = StringIO()
    call_command("rotate_encryption_keys", stdout=out)
    return out.getvalue()


def stored(table: str, column: str) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{table}" ORDER BY 1')
        return [bytes(value) for (value,) in cursor.fetchall()]


def test_every_encrypted_column_is_known() -> None:
    names = {column.name for column in rotation.encrypted_columns()}
    assert {
        "integrations.ElevenLabsKey.key",
        "integrations.PhoneProvider.twilio_token",
        "integrations.WebhookEndpoint.secret",
        "telephony.TelephonySettings.settings_json",
    } <= names


def test_after_a_rotation_the_old_key_is_not_needed(keys: Keys, workspace: Workspace) -> None:
    make_key(workspace=workspace, key="sk_first_key")
    make_phone_provider(node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER))
    TelephonySettings.objects.create(workspace=workspace, settings_json={"providers": [{"password": "secret"}]})
    keys.use(NEW, OLD)
    said = rotate()
    assert "integrations.ElevenLabsKey.key: 1 of 1 values encrypted anew" in said
    assert "5 values encrypted anew" in said
    keys.use(NEW)
    assert ElevenLabsKey.objects.get().key == "sk_first_key"
    assert PhoneProvider.objects.get().twilio_token == "a twilio token"
    assert TelephonySettings.objects.get().settings_json == {"providers": [{"password": "secret"}]}


def test_a_second_run_changes_nothing(keys: Keys, workspace: Workspace) -> None:
    make_key(workspace=workspace)
    keys.use(NEW, OLD)
    rotate()
    before = stored("integrations_elevenlabskey", "key")
    assert "0 values encrypted anew" in rotate()
    assert stored("integrations_elevenlabskey", "key") == before


def test_it_works_in_batches_and_goes_on_where_it_was_stopped(
    keys: Keys, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    account = make_account()
    for number in range(8):
        make_key(workspace=workspace, account=account, key=f"sk_key_{number}")
    keys.use(NEW)
    make_key(workspace=workspace, account=account, key="sk_key_8")
    keys.use(NEW, OLD)
    assert "integrations.ElevenLabsKey.key: 8 of 9 values encrypted anew" in rotate()
    keys.use(NEW)
    assert {row.key for row in ElevenLabsKey.objects.all()} == {f"sk_key_{number}" for number in range(9)}


def test_a_value_that_no_key_opens_is_named_and_kept(keys: Keys, workspace: Workspace) -> None:
    key = make_key(workspace=workspace)
    keys.use(NEW)
    before = stored("integrations_elevenlabskey", "key")
    with pytest.raises(CommandError, match=f"ElevenLabsKey.key of row {key.pk} cannot be decrypted"):
        rotate()
    assert stored("integrations_elevenlabskey", "key") == before


def test_what_is_stored_is_not_what_was_said(keys: Keys, workspace: Workspace) -> None:
    make_key(workspace=workspace, key="sk_in_clear")
    assert all(b"sk_in_clear" not in value for value in stored("integrations_elevenlabskey", "key"))
    assert issubclass(type(ElevenLabsKey._meta.get_field("key")), EncryptedField)
