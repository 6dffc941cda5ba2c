"""What may be seen, by whom, and what is said where it may not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aispinner.core.access import choose_node, choose_workspace, node_for, visible_workspaces, workspace_for
from aispinner.core.errors import Forbidden, Invalid, NotFound
from aispinner.core.models import NodeType, Role, Workspace
from tests.factories import make_member, make_node, make_workspace


def test_a_member_finds_the_workspace(viewer: User, workspace: Workspace) -> None:
    assert workspace_for(user=viewer, workspace_id=workspace.pk) == workspace
    assert workspace_for(user=viewer, workspace_id=str(workspace.pk)) == workspace


def test_a_stranger_does_not_learn_that_it_exists(stranger: User, workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        workspace_for(user=stranger, workspace_id=workspace.pk)
    assert not visible_workspaces(stranger).exists()


def test_a_role_too_small_is_told_so(viewer: User, editor: User, owner: User, workspace: Workspace) -> None:
    with pytest.raises(Forbidden, match="editor"):
        workspace_for(user=viewer, workspace_id=workspace.pk, role=Role.EDITOR)
    with pytest.raises(Forbidden):
        workspace_for(user=editor, workspace_id=workspace.pk, role=Role.OWNER)
    assert workspace_for(user=owner, workspace_id=workspace.pk, role=Role.OWNER) == workspace


@pytest.mark.parametrize("wrong", ["", "one", None, True, [], {}, 1.5, "-1", "\uff11", "1e3", "1\0", "\ud800"])
def test_an_id_that_is_no_number_is_invalid(viewer: User, workspace: Workspace, wrong: object) -> None:
    with pytest.raises(Invalid, match="whole number"):
        workspace_for(user=viewer, workspace_id=wrong)


@pytest.mark.parametrize("huge", [2**63, 10**400, "9" * 19, "9" * 5000, -1, 1e20])
def test_an_id_that_no_row_can_have_is_not_found(viewer: User, workspace: Workspace, huge: object) -> None:
    with pytest.raises(NotFound):
        workspace_for(user=viewer, workspace_id=huge)


def test_a_node_is_found_in_its_own_workspace_only(
    owner: User, stranger: User, workspace: Workspace, other_workspace: Workspace
) -> None:
    node = make_node(workspace=workspace, node_id="pbx_abc123")
    assert node_for(user=owner, workspace_id=workspace.pk, node_id="pbx_abc123") == node
    with pytest.raises(NotFound):
        node_for(user=stranger, workspace_id=other_workspace.pk, node_id="pbx_abc123")


def test_a_node_of_the_wrong_type_is_invalid(owner: User, workspace: Workspace) -> None:
    make_node(workspace=workspace, node_id="journal", type=NodeType.JOURNAL)
    with pytest.raises(Invalid, match=r"ai\.pbx"):
        node_for(user=owner, workspace_id=workspace.pk, node_id="journal", types={NodeType.PBX})


@pytest.mark.parametrize("wrong", [None, 5, ["a"], {}, "a\0b", "\ud800", "a\nb"])
def test_a_node_id_that_is_no_text_is_invalid(owner: User, workspace: Workspace, wrong: object) -> None:
    with pytest.raises(Invalid):
        node_for(user=owner, workspace_id=workspace.pk, node_id=wrong)


def test_a_node_id_longer_than_any_is_not_found(owner: User, workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        node_for(user=owner, workspace_id=workspace.pk, node_id="n" * 101)


def test_left_out_the_workspace_is_the_one_that_holds_the_node(owner: User, workspace: Workspace) -> None:
    second = make_workspace("Second", owner=owner)
    make_node(workspace=second, node_id="only_there")
    assert choose_workspace(user=owner, node_id="only_there") == second
    assert choose_workspace(user=owner) == workspace
    assert choose_workspace(user=owner, node_id="nowhere") == workspace


def test_an_ambiguous_node_names_the_choices(owner: User, workspace: Workspace) -> None:
    second = make_workspace("Second", owner=owner)
    for each in (workspace, second):
        make_node(workspace=each, node_id="twice")
    with pytest.raises(Invalid) as refusal:
        choose_workspace(user=owner, node_id="twice")
    assert f"{workspace.pk} (Acme), {second.pk} (Second)" in refusal.value.sentence
    assert "workspace_id" in refusal.value.errors
    assert choose_workspace(user=owner, workspace_id=second.pk, node_id="twice") == second


def test_somebody_elses_node_never_chooses_the_workspace(
    owner: User, workspace: Workspace, other_workspace: Workspace
) -> None:
    make_node(workspace=other_workspace, node_id="theirs")
    assert choose_workspace(user=owner, node_id="theirs") == workspace


def test_the_chosen_workspace_demands_the_role_too(viewer: User, workspace: Workspace) -> None:
    with pytest.raises(Forbidden):
        choose_workspace(user=viewer, role=Role.EDITOR)


def test_who_is_in_no_workspace_is_told_to_make_one(stranger: User) -> None:
    with pytest.raises(NotFound, match="POST /workspaces"):
        choose_workspace(user=stranger)


def test_a_member_of_two_sees_two(owner: User, workspace: Workspace, other_workspace: Workspace) -> None:
    make_member(workspace=other_workspace, user=owner)
    assert set(visible_workspaces(owner)) == {workspace, other_workspace}


def test_a_node_is_chosen_in_one_query(owner: User, workspace: Workspace, other_workspace: Workspace) -> None:
    node = make_node(workspace=workspace, node_id="pbx_here")
    make_node(workspace=other_workspace, node_id="pbx_here")
    with CaptureQueriesContext(connection) as queries:
        chosen, beside = choose_node(user=owner, node_id="pbx_here", beside="(SELECT 7)")
        assert (chosen, chosen.type, chosen.workspace_id, beside) == (node, node.type, workspace.pk, 7)
    assert len(queries) == 1
    assert (chosen.workspace, chosen.config) == (workspace, node.config)  # read when asked for


def test_a_node_of_several_workspaces_is_chosen_by_naming_one(owner: User, workspace: Workspace) -> None:
    second = make_workspace("Second", owner=owner)
    make_node(workspace=workspace, node_id="twice")
    there = make_node(workspace=second, node_id="twice")
    with pytest.raises(Invalid, match="workspace_id"):
        choose_node(user=owner, node_id="twice")
    assert choose_node(user=owner, workspace_id=second.pk, node_id="twice", beside="(SELECT 7)") == (there, None)


def test_a_node_that_only_others_have_is_not_found(stranger: User, workspace: Workspace) -> None:
    make_node(workspace=workspace, node_id="pbx_here")
    with pytest.raises(NotFound):
        choose_node(user=stranger, node_id="pbx_here")
