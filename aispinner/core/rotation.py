"""Encrypting anew: after a new key was put first in FERNET_KEYS, before an old one is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Field, Model
from fernet_fields import EncryptedField
from psycopg import sql

BATCH = 200


class UndecryptableError(Exception):
    """A value that none of the keys opens; its text says where it is."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """An encrypted column."""

    model: type[Model]
    field: Field[object, object]

    @property
    def name(self) -> str:
        """As people say it."""
        return f"{self.model._meta.label}.{self.field.name}"


def encrypted_columns() -> Iterator[Column]:
    """Every encrypted column of every model."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedField):
                yield Column(model=model, field=field)


def rotate(column: Column) -> tuple[int, int]:
    """Encrypt the column with the newest key wherever it is not yet: how many values were, and how many there are.

    Works in short transactions by primary key, so it can be stopped and started again, and runs beside the server.
    """
    changed = seen = 0
    last: int | str | None = None
    while True:
        with transaction.atomic():
            rows = _lock_batch(column, after=last)
            if not rows:
                return changed, seen
            for key, value in rows:
                seen += 1
                changed += _renew(column, key, value)
            last = rows[-1][0]


def _lock_batch(column: Column, *, after: int | str | None) -> list[tuple[int | str, bytes]]:
    names = _names(column)
    condition = sql.SQL("AND {key} > %s").format(**names) if after is not None else sql.SQL("")
    query = sql.SQL(
        "SELECT {key}, {value} FROM {table} WHERE {value} IS NOT NULL {more} ORDER BY {key} LIMIT {batch} FOR UPDATE"
    ).format(**names, more=condition, batch=sql.Literal(BATCH))
    with connection.cursor() as cursor:
        cursor.execute(query, [after] if after is not None else [])
        return [(key, bytes(value)) for key, value in cursor.fetchall()]


def _renew(column: Column, key: int | str, value: bytes) -> bool:
    newest, *_ = keys = [Fernet(each) for each in settings.FERNET_KEYS]
    if _opens(newest, value):
        return False
    try:
        renewed = MultiFernet(keys).rotate(value)
    except InvalidToken:
        raise UndecryptableError(
            f"{column.name} of row {key} cannot be decrypted with any of FERNET_KEYS. Put the key back that it was "
            "encrypted with; nothing was changed in this row."
        ) from None
    query = sql.SQL("UPDATE {table} SET {value} = %s WHERE {key} = %s").format(**_names(column))
    with connection.cursor() as cursor:
        cursor.execute(query, [renewed, key])
    return True


def _opens(key: Fernet, value: bytes) -> bool:
    try:
        key.decrypt(value)
    except InvalidToken:
        return False
    return True


def _names(column: Column) -> dict[str, sql.Identifier]:
    key = column.model._meta.pk
    if key is None or column.field.column is None:
        raise TypeError(f"{column.name} is no column of a table")
    return {
        "table": sql.Identifier(column.model._meta.db_table),
        "key": sql.Identifier(str(key.column)),
        "value": sql.Identifier(column.field.column),
    }
