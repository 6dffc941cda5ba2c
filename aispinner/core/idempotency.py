"""`Idempotency-Key`: the same request sent again gets the same answer again, and its work is done once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus

import orjson
from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from aispinner.core.auth import caller
from aispinner.core.errors import Conflict, Invalid
from aispinner.core.models import IdempotencyKey, Workspace
from aispinner.core.rendering import dump_json

LIFETIME = timedelta(hours=24)
LONGEST_KEY = 255


def answer_once(*, request: Request, workspace: Workspace, work: Callable[[], Response]) -> Response:
    """The answer of `work`, or the one it gave when this request came before under the same key.

    `work` runs in a transaction that also writes the key's row: a crash leaves neither. A second request arriving
    meanwhile waits for the first. Refusals (any exception of `work`) are not kept: the key stays free.
    Another body under the same key is a Conflict (409). Without the header, `work` simply runs in a transaction.
    """
    key = _key(request)
    with transaction.atomic():
        if key is None:
            return work()
        return _once(request=request, workspace=workspace, key=key, work=work)


def forget_old_keys() -> int:
    """Delete the keys that are no longer good; how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lte=timezone.now() - LIFETIME).delete()
    return deleted


def _once(*, request: Request, workspace: Workspace, key: str, work: Callable[[], Response]) -> Response:
    mine = IdempotencyKey.objects.filter(user=caller(request), workspace=workspace, key=key, path=request.path[:200])
    mine.filter(created_at__lte=timezone.now() - LIFETIME).delete()
    digest = _digest(request)
    # Where the same key is being used at this moment, this waits on the unique constraint until that has ended.
    row, is_new = mine.get_or_create(
        user=caller(request), workspace=workspace, key=key, path=request.path[:200], defaults={"body_digest": digest}
    )
    if not is_new:
        return _again(row, digest)
    response = work()
    row.status = response.status_code
    row.answer = dump_json(response.data).decode()
    row.save(update_fields=["status", "answer"])
    return response


def _again(row: IdempotencyKey, digest: str) -> Response:
    if row.body_digest != digest:
        raise Conflict("This Idempotency-Key was used with another body. Use a new key for a new request.")
    return Response(
        orjson.loads(row.answer), status=row.status or HTTPStatus.OK, headers={"Idempotent-Replayed": "true"}
    )


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Invalid(f"Idempotency-Key takes 1 to {LONGEST_KEY} printable ASCII characters.")
    return key


def _digest(request: Request) -> str:
    """Of the method and of what the body says, however it is written."""
    return sha256(f"{request.method}\n".encode() + orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)).hexdigest()
