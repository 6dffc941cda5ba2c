"""The cast (an owner, an editor, a viewer and a stranger), their workspaces and clients; and what keeps tests apart."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import structlog
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, transaction
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient
from xdist.scheduler import LoadScopeScheduling

from aispinner.core.auth import issue_token
from aispinner.core.models import Workspace
from telephony.journal.page import _nothing_new
from tests.bells import Bells
from tests.factories import make_user, make_workspace
from tests.stack import stack  # noqa: F401 - a fixture for all who talk to the running server

RUN = f"test-{token_hex(6)}:"
SERVED = {"simulator", "provider", "server", "stack"}  # fixtures that have something running to talk to
SEARCHES = {  # every route, every order of events, every setting
    "test_bad_input.py", "test_planted_secrets.py", "test_isolation.py", "test_always.py", "test_checks.py",
    "test_roles.py", "test_routes.py",
}  # fmt: skip
ONE_STACK = {"browser", "contract", "e2e"}  # folders whose tests talk to the same running server
SERVING = {  # folders whose tests run something themselves
    "chaos", "contract", "e2e", "lines", "local", "serving", "simulator", "voice",
}  # fmt: skip
LONGEST = ["browser", "contract", "e2e", "chaos", "bench", "simulator", "local", "lines", "voice"]  # begin first
KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission", "telephony_sequence"})
APPEND_ONLY = "core_auditentry"  # the database itself refuses to delete its rows
Lasting = Callable[[], AbstractContextManager[None]]


class Together(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Side by side go files, and all that talks to the running server as one: it is started once, by one process.

    (`--dist loadgroup` does not see its groups as of pytest 9.2 with xdist 3.8: each test went anywhere.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        folder = file.split("/")[1]
        return "the stack" if folder in ONE_STACK else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Which tests stay together."""
    return Together(config, log)


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: whoever looks for garbage need not look at them each time."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """Keep this run to itself: keys of its own in Valkey, a broker inside the process, passwords hashed in no time."""
    settings.REDIS_PREFIX = RUN
    settings.API_RATE = None  # throttles are for the tests that ask for them
    settings.CACHES["default"]["KEY_PREFIX"] = RUN
    settings.WHITENOISE_AUTOREFRESH = True  # static files are looked for when asked for, not by each new client
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    current_app.conf.update(broker_url="memory://")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that nobody waits for it at the end.

    `-m unit`: what talks to nothing but the databases, and tries one thing at a time.
    """
    items.sort(key=lambda item: LONGEST.index(_folder(item)) if _folder(item) in LONGEST else len(LONGEST))
    for item in items:
        folder = _folder(item)
        served = folder in SERVING or SERVED & set(getattr(item, "fixturenames", ()))
        if not served and item.path.name not in SEARCHES and not item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.unit)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(scope="session", autouse=True)
def valkey_left_clean() -> Iterator[None]:
    """Remove this run's keys at its end."""
    yield
    from aispinner.core.broker import client

    for key in client().scan_iter(match=f"*{RUN}*", count=1000):
        client().delete(key)


@pytest.fixture(autouse=True)
def nothing_left_of_other_tests() -> None:
    """An empty cache (attempts are counted there), no answer remembered, and no request's id in the log."""
    _nothing_new.clear()
    caches["default"].key_prefix = f"{RUN}{token_hex(4)}"
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """pytest-django's; threads that outlive their test by a moment may still be connected to what is dropped."""
    yield
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cursor.execute(others, cursor.fetchone())


def empty_database(*, kept: frozenset[str] = KEPT) -> None:
    """Remove what was committed, whoever did it.

    Not by TRUNCATE, as Django's `flush` does it: it makes a file anew for every table and index, and permissions have
    to be made anew, too; together 0.2 seconds. As there, whoever still writes is waited for.
    """
    tables = [name for name in _tables() if name not in kept]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)}")
        cursor.execute(f"SELECT EXISTS (SELECT FROM {APPEND_ONLY})")
        if cursor.fetchone() == (True,):
            cursor.execute(f"TRUNCATE {APPEND_ONLY}")
        cursor.execute("; ".join(f"DELETE FROM {name}" for name in tables if name != APPEND_ONLY))
    connection.close()


@cache
def _tables() -> list[str]:
    return sorted(connection.introspection.table_names())


@pytest.fixture(scope="session", autouse=True)
def quickly_emptied() -> Iterator[None]:
    """After tests that commit (`transactional_db`); ids and versions begin anew then, too."""
    with pytest.MonkeyPatch.context() as patch:
        kept = KEPT - {"telephony_sequence"}
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _self: empty_database(kept=kept))
        yield


@pytest.fixture(scope="module")
def lasting(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Lasting]:
    """`with lasting():` writes rows for all tests of a file: each undoes only its own. They are gone after the last."""
    yield django_db_blocker.unblock
    with django_db_blocker.unblock():
        empty_database()


@pytest.fixture(scope="session", autouse=True)
def nothing_beyond_loopback() -> Iterator[None]:
    """No test reaches another machine: the wire is faked, or a process beside us."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


def _guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(str(address[0])):
            raise RuntimeError(f"a test tried to reach {address[0]}: fake the wire")
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture
def bells() -> Iterator[Bells]:
    """The tasks that were rung. They run when the test says so: `bells.answer()`."""
    bells = Bells()
    yield bells
    bells.close()


@pytest.fixture
def owner(db: None) -> User:
    return make_user("owner")


@pytest.fixture
def editor(db: None) -> User:
    return make_user("editor")


@pytest.fixture
def viewer(db: None) -> User:
    return make_user("viewer")


@pytest.fixture
def stranger(db: None) -> User:
    """A member of another workspace, and of no other."""
    return make_user("stranger")


@pytest.fixture
def workspace(owner: User, editor: User, viewer: User) -> Workspace:
    """The workspace that most tests are about."""
    return make_workspace("Acme", owner=owner, editor=editor, viewer=viewer)


@pytest.fixture
def other_workspace(stranger: User) -> Workspace:
    """The stranger's: nothing of it may ever be seen from `workspace`, nor the other way round."""
    return make_workspace("Elsewhere", owner=stranger)


@pytest.fixture
def client_for() -> Callable[[User], APIClient]:
    """A client that sends a bearer token of the given user."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(user=user)[1]}")
        return client

    return make
