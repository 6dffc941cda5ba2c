"""Writing many rows at once: one statement that takes them as one JSON text, which both sides make and read in C.

The ORM would build a CASE for each field, or a tuple of parameters for each row; arrays are put into words by psycopg's
Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model
from psycopg import sql
from psycopg.types.json import Jsonb

M = TypeVar("M", bound=Model)

_UPDATE = "UPDATE {table} AS t SET {sets} FROM json_to_recordset(%s::json) AS n({columns}) WHERE t.{key} = n.{key}"
_INSERT = "INSERT INTO {table} ({names}) SELECT {names} FROM json_to_recordset(%s::json) AS n({columns})"


def update_rows(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write `fields` (columns of the table itself) of `rows`, all of one model, in one statement."""
    if not rows:
        return
    meta = rows[0]._meta
    columns = [_column(meta.pk), *(_column(meta.get_field(name)) for name in fields)]
    values = [
        {str(column.column): column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns}
        for row in rows
    ]
    names = [sql.Identifier(str(column.column)) for column in columns[1:]]
    _execute(
        _UPDATE, rows[0], columns, values, sets=sql.SQL(", ").join(sql.SQL("{0} = n.{0}").format(n) for n in names)
    )


def insert_rows(model: type[M], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows` (values by column, the same columns in each) into the model's table, in one statement."""
    if not rows:
        return
    by_name = {str(field.column): field for field in model._meta.concrete_fields}
    columns = [_column(by_name[name]) for name in rows[0]]
    names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    _execute(_INSERT, model, columns, rows, names=names)


def _execute(
    statement: str,
    model: Model | type[Model],
    columns: Sequence[Field[Any, Any]],
    rows: Sequence[Mapping[str, Any]],
    **parts: sql.Composable,
) -> None:
    typed = [sql.SQL("{} {}").format(sql.Identifier(str(c.column)), sql.SQL(_sql_type(c))) for c in columns]
    query = sql.SQL(statement).format(
        table=sql.Identifier(model._meta.db_table),
        key=sql.Identifier(str(columns[0].column)),
        columns=sql.SQL(", ").join(typed),
        **parts,
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [json.dumps(rows, default=_plain)])


def _plain(value: object) -> object:
    """What JSON does not know of what a column takes."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Jsonb):
        return value.obj
    raise TypeError(f"{type(value).__name__} goes into no column")


def _column(field: Any) -> Field[Any, Any]:
    if not isinstance(field, Field):
        raise TypeError(f"{field} is no column")
    return field


def _sql_type(column: Field[Any, Any]) -> str:
    kind = column.rel_db_type(connection) if column.is_relation else column.db_type(connection)
    return str(kind)
