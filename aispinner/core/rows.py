"""Writing many rows at once: one statement with arrays, where the ORM would build a CASE per field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model
from psycopg import sql

M = TypeVar("M", bound=Model)

_UPDATE = "UPDATE {table} AS t SET {sets} FROM unnest({arrays}) AS n({names}) WHERE t.{key} = n.{key}"


def update_rows(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write `fields` (columns of the table itself) of `rows`, all of one model, in one UPDATE … FROM unnest(…)."""
    if not rows:
        return
    meta = rows[0]._meta
    columns = [meta.pk, *(_column(meta.get_field(name)) for name in fields)]
    names = [sql.Identifier(str(column.column)) for column in columns]
    query = sql.SQL(_UPDATE).format(
        table=sql.Identifier(meta.db_table),
        sets=sql.SQL(", ").join(sql.SQL("{0} = n.{0}").format(name) for name in names[1:]),
        arrays=sql.SQL(", ").join(sql.SQL(f"%s::{_sql_type(column)}[]") for column in columns),
        names=sql.SQL(", ").join(names),
        key=names[0],
    )
    arrays = [[column.get_db_prep_save(getattr(row, column.attname), connection) for row in rows] for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(query, arrays)


def _column(field: Any) -> Field[Any, Any]:
    if not isinstance(field, Field):
        raise TypeError(f"{field} is no column")
    return field


def _sql_type(column: Field[Any, Any]) -> str:
    kind = column.rel_db_type(connection) if column.is_relation else column.db_type(connection)
    return str(kind)
