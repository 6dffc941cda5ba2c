"""A table whose rows are written once: a constraint that PostgreSQL itself holds, whoever connects to it."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import BaseConstraint, Model

_MAKE = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'rows of {table} are never changed or deleted' USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()
"""
_REMOVE = "DROP TRIGGER {name} ON {table}; DROP FUNCTION {function}()"


class AppendOnly(BaseConstraint):
    """UPDATE and DELETE are refused (SQLSTATE 23001, an IntegrityError). TRUNCATE, which only the owner may, is not."""

    def constraint_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """Nothing within CREATE TABLE: the trigger is made after it."""
        if model is not None and schema_editor is not None:
            schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return None

    def create_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """The trigger and its function."""
        return self._named(_MAKE, model, schema_editor)

    def remove_sql(self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> Any:
        """The way back."""
        return self._named(_REMOVE, model, schema_editor)

    def validate(self, *_args: Any, **_kwargs: Any) -> None:
        """No row is bad by itself."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AppendOnly) and self.name == other.name

    __hash__ = None  # type: ignore[assignment]  # as Django's own constraints

    def _named(self, sql: str, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        if model is None or schema_editor is None:
            raise ValueError("A table is needed.")
        quote = schema_editor.quote_name
        names = {"name": quote(self.name), "function": quote(f"refuse_{self.name}")}
        return sql.format(table=quote(model._meta.db_table), **names).strip()
