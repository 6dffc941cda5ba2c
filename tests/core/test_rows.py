"""Many rows at once: written as they are, or refused as PostgreSQL refuses them."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, transaction

from aispinner.core.models import Workspace
from aispinner.core.rows import insert_like, insert_rows, json_text, update_rows
from tests.factories import make_node, make_workspace

pytestmark = pytest.mark.django_db
CUT_EMOJI = "\ud83d"
ODD = "tab\t, new\nline, \\N, \\ and 'quotes'"


def test_what_is_copied_in_is_stored_as_it_is() -> None:
    like = make_workspace("Acme")

    insert_like(like, ("id", "name"), [(1001, ODD), (1002, "")])

    assert list(Workspace.objects.filter(pk__gt=1000).order_by("pk").values_list("name", flat=True)) == [ODD, ""]
    assert Workspace.objects.get(pk=1001).created_at == like.created_at


def test_what_is_changed_is_stored_as_it_is() -> None:
    node, other = (make_node(workspace=make_workspace(), config={"kept": 1}) for _ in range(2))
    node.title, node.config = ODD, {"odd": ODD}

    update_rows([node], ("title", "config"))

    node.refresh_from_db()
    other.refresh_from_db()
    assert (node.title, node.config) == (ODD, {"odd": ODD})
    assert (other.title, other.config) == ("", {"kept": 1})


def test_a_row_that_breaks_a_constraint_is_refused_with_all_of_them() -> None:
    there = make_workspace("Acme")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert_like(there, ("id", "name"), [(1001, "New"), (there.pk, "Old")])

    assert Workspace.objects.count() == 1


def test_what_cannot_be_stored_is_a_data_error() -> None:
    node = make_node(workspace=make_workspace())
    for words in (CUT_EMOJI, "\x00"):
        node.title = words
        with pytest.raises(DataError), transaction.atomic():
            update_rows([node], ("title",))
    with pytest.raises(DataError), transaction.atomic():
        insert_rows(Workspace, ("id", "name"), ((1001, json_text(words)) for words in ("fine", CUT_EMOJI)))
    assert not Workspace.objects.filter(pk=1001).exists()
