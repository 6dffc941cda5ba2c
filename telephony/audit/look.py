"""The checks asked of one snapshot, and what contradicted them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from telephony.audit.checks import CHECKS


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row that says one thing (`stored`) where the others say another (`derived`)."""

    check: str
    where: str
    what: str
    stored: str
    derived: str


def differences(*, run_id: int | None = None) -> list[Difference]:
    """What contradicts what always holds, over everything or over one run. To be asked in `one_snapshot`."""
    found: list[Difference] = []
    for check in CHECKS:
        if run_id is None or check.of_one_run:
            found += [
                Difference(check=check.name, where=str(where), what=what, stored=_text(stored), derived=_text(derived))
                for where, what, stored, derived in _rows(check.sql, run_id)
            ]
    return found


def _rows(sql: str, run_id: int | None) -> Sequence[tuple[object, str, object, object]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"run": run_id})
        rows: Sequence[tuple[object, str, object, object]] = cursor.fetchall()
    return rows


def _text(value: object) -> str:
    return "none" if value is None or value == "" else str(value)
