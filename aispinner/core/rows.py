"""Writing many rows at once, without a model instance or a parameter for each.

New rows are copied in, which PostgreSQL does page by page. Changed ones come as one JSON text in one statement, which
both sides make and read in C: the ORM would build a CASE for each field, and arrays are put into words by Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import orjson
from django.db import DataError, connection
from django.db.models import Field, Model
from psycopg import sql

from aispinner.core.prepared import prepared

M = TypeVar("M", bound=Model)

_UPDATE = "UPDATE {table} AS t SET {sets} FROM json_to_recordset(%s::json) AS n({columns}) WHERE t.{key} = n.{key}"
_COPY = "COPY {table} ({names}) FROM STDIN"


def update_rows(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write `fields` (columns of the table itself, of what JSON knows and moments) of `rows`, all of one model."""
    if not rows:
        return
    meta = rows[0]._meta
    columns = [_column(meta.pk), *(_column(meta.get_field(name)) for name in fields)]
    names = [sql.Identifier(str(column.column)) for column in columns]
    query = sql.SQL(_UPDATE).format(
        table=sql.Identifier(meta.db_table),
        key=names[0],
        sets=sql.SQL(", ").join(sql.SQL("{0} = n.{0}").format(name) for name in names[1:]),
        columns=sql.SQL(", ").join(
            sql.SQL("{} {}").format(name, _sql_type(column)) for name, column in zip(names, columns, strict=True)
        ),
    )
    attributes = [(column.attname, str(column.column)) for column in columns]
    values = [{name: getattr(row, attribute) for attribute, name in attributes} for row in rows]
    with prepared() as cursor:
        cursor.execute(query, [json_text(values)])


def insert_rows(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows`, each the values of `columns` (by their names in the table; JSON and moments as text).

    Nothing that counts or wraps Django's statements sees it.
    """
    query = sql.SQL(_COPY).format(
        table=sql.Identifier(model._meta.db_table), names=sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(query) as copy:
        for row in rows:
            copy.write_row(row)


def insert_like(pattern: Model, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of the pattern's model that differ from it in `columns` only."""
    fields = [field for field in pattern._meta.concrete_fields if field.column not in columns]
    same = [getattr(pattern, field.attname) for field in fields]
    insert_rows(type(pattern), [*columns, *(str(field.column) for field in fields)], ((*row, *same) for row in rows))


def json_text(value: Any) -> str:
    """`value`, its keys strings and its numbers finite, as JSON; DataError, as PostgreSQL would answer, where it cannot
    be stored (half a surrogate pair).
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise DataError(str(error)) from None


def _column(field: Any) -> Field[Any, Any]:
    if not isinstance(field, Field):
        raise TypeError(f"{field} is no column")
    return field


def _sql_type(column: Field[Any, Any]) -> sql.SQL:
    kind = column.rel_db_type(connection) if column.is_relation else column.db_type(connection)
    return sql.SQL(str(kind))
