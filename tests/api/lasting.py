"""A world that is made once for all tests of a file: each finds it as it was made, whatever others did to it."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from pytest_django.fixtures import Settings

from aispinner.core.models import Workspace
from tests.api.world import World, make_world
from tests.conftest import Lasting
from tests.factories import make_user, make_workspace

__all__ = [
    "editor", "made", "media", "other_workspace", "owner", "recordings", "stranger", "viewer", "workspace", "world",
]  # fmt: skip


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the world's recordings are; each test gets copies."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def made(lasting: Lasting, media: Path) -> World:
    """The world of `workspace`, its cast, a stranger's `other_workspace`, and somebody who is in none."""
    with lasting(), override_settings(MEDIA_ROOT=media):
        owner, editor, viewer, stranger = map(make_user, ("owner", "editor", "viewer", "stranger"))
        make_user("newcomer")
        workspace = make_workspace("Acme", owner=owner, editor=editor, viewer=viewer)
        make_workspace("Elsewhere", owner=stranger)
        return make_world(workspace=workspace, owner=owner, member=viewer, mark="OURS")


@pytest.fixture(autouse=True)
def recordings(made: World, media: Path, settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = shutil.copytree(media, tmp_path / "media")


@pytest.fixture
def world(made: World, db: None) -> World:
    return deepcopy(made)


@pytest.fixture
def owner(made: World, db: None) -> User:
    return User.objects.get(username="owner")


@pytest.fixture
def editor(made: World, db: None) -> User:
    return User.objects.get(username="editor")


@pytest.fixture
def viewer(made: World, db: None) -> User:
    return User.objects.get(username="viewer")


@pytest.fixture
def stranger(made: World, db: None) -> User:
    return User.objects.get(username="stranger")


@pytest.fixture
def workspace(world: World) -> Workspace:
    return world.workspace


@pytest.fixture
def other_workspace(made: World, db: None) -> Workspace:
    return Workspace.objects.get(name="Elsewhere")
