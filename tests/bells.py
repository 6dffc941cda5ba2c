"""Celery's tasks in tests: recorded as they are rung, over a broker that ends in this process, and run when asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from celery.signals import before_task_publish
from django.db import connection

from telephony.dialer.bell import arrivals

ENDLESS = 1000


@dataclass(frozen=True, kw_only=True)
class Bell:
    """One task that was rung: its name, and its arguments as they went over the wire."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    eta: str | None = None
    context: dict[str, Any] = field(default_factory=dict)  # what goes along for the log


class Bells:
    """What has been rung and not been answered yet. Work put off to the end of the transaction is done first."""

    def __init__(self) -> None:
        self._rung: list[Bell] = []
        arrivals.finish()  # of tests before
        current_app.loader.import_default_modules()  # as a worker does: the tasks are there by name
        before_task_publish.connect(self._hear, weak=False, dispatch_uid="bells")

    def close(self) -> None:
        """Hear nothing more."""
        before_task_publish.disconnect(dispatch_uid="bells")

    @property
    def rung(self) -> list[Bell]:
        """The bells that nobody answered yet, oldest first."""
        self._commit()
        return list(self._rung)

    def names(self) -> list[str]:
        """The names of `rung`."""
        return [bell.name for bell in self.rung]

    def clear(self) -> None:
        """Lose them all, as a broker may."""
        self._commit()
        self._rung.clear()

    def answer(self, name: str | None = None) -> int:
        """Run what was rung (only tasks called `name`, where given), and what that rings; how many ran."""
        ran = 0
        while bell := next((each for each in self.rung if name in {None, each.name}), None):
            self._rung.remove(bell)
            current_app.tasks[bell.name].run(*bell.args, **bell.kwargs)
            ran += 1
            if ran > ENDLESS:
                raise AssertionError(f"{bell.name} rings itself without end")
        return ran

    def _hear(self, sender: str, body: Any, headers: dict[str, Any], **_: Any) -> None:
        args, kwargs = json.loads(json.dumps([list(body[0]), dict(body[1])]))
        context = headers.get("__django_structlog__", {})
        self._rung.append(Bell(name=sender, args=args, kwargs=kwargs, eta=headers.get("eta"), context=context))

    @staticmethod
    def _commit() -> None:
        """In a test that runs inside one transaction, do what waits for its end, as if it were committed now.

        What a thread would ring in a moment, too.
        """
        while connection.in_atomic_block and connection.run_on_commit:
            connection.run_on_commit.pop(0)[1]()
        arrivals.finish()
