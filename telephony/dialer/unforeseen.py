"""What a stack trips over that nobody foresaw: an error like any other, so that its chunk is not tried for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import extract_tb

import structlog
from django.db import InterfaceError, OperationalError

from integrations.errors import Answer, ProviderError, Reason

log = structlog.get_logger(__name__)


@contextmanager
def taken_as(answer: Answer) -> Iterator[None]:
    """An exception that is no ProviderError leaves as one, with `answer`, for a reason of our own.

    A database that is away leaves as it came: it is back soon, and nothing could be written down now anyway.
    """
    try:
        yield
    except (ProviderError, OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be met for ever
        last = extract_tb(error.__traceback__)[-1]  # its words may hold numbers: only what and where is said
        log.error("stack_failed", kind=type(error).__name__, at=f"{last.filename}:{last.lineno}")  # noqa: TRY400
        raise ProviderError(answer=answer, reason=Reason.INTERNAL_ERROR) from None
