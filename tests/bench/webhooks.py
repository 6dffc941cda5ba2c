"""Events posted to the webhook on sixteen connections: answered fast, and stored once where all bring the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.utils import timezone

from integrations.elevenlabs.signature import sign
from integrations.models import WebhookEndpoint, WebhookReceipt
from tests.bench import databases
from tests.bench.http import OURS, RIVALS
from tests.bench.load import post, send_all
from tests.bench.rows import Figures, Goal, Row
from tests.bench.servers import serving
from tests.webhooks.events import SECRET, make_endpoint, transcription

EVENTS, COPIES, CONNECTIONS = 100, 16, 16  # events on each connection; copies of one event
TURNS = [
    {"role": role, "message": "I am calling about your appointment on Thursday at ten.", "time_in_call_secs": 7 * turn}
    for turn, role in enumerate(("agent", "user") * 5)
]


def posted(arguments: tuple[str, ...], address: Callable[[WebhookEndpoint], str], *, events: int = EVENTS) -> Figures:
    """Requests a second, each a new event; then events of which each comes on all connections, and their rows."""
    with databases.fresh("bench_webhooks"), serving(*arguments) as server:
        endpoint = make_endpoint()
        path = address(endpoint)
        send_all(server.port, [_queue(path, f"warm_{place}", 5) for place in range(CONNECTIONS)])
        queues = [_queue(path, f"new_{place}", events) for place in range(CONNECTIONS)]
        used = server.cpu_seconds()
        rate = send_all(server.port, queues)
        used = server.cpu_seconds() - used
        before = WebhookReceipt.objects.count()
        send_all(server.port, [_queue(path, "same", events)] * COPIES)
        rows = WebhookReceipt.objects.count() - before
    each = used / (events * CONNECTIONS) * 1000
    return {"requests/s": rate, "requests: CPU ms each": each, "rows too many or too few": abs(rows - events)}


def _queue(path: str, name: str, events: int) -> list[bytes]:
    return [
        _signed(path, transcription(conversation_id=f"{name}_{number}", transcript=TURNS)) for number in range(events)
    ]


def _signed(path: str, body: bytes) -> bytes:
    return post(path, body, ElevenLabs_Signature=sign(body, SECRET, now=timezone.now()))


def _ours(endpoint: WebhookEndpoint) -> str:
    return f"/webhooks/elevenlabs/{endpoint.public_id}"


def _theirs(endpoint: WebhookEndpoint) -> str:
    return f"/rival/webhooks/{endpoint.public_id}"


WEBHOOKS = Row(
    name="webhooks",
    says=f"signed events on {CONNECTIONS} connections, then each of {EVENTS} on all, against DRF with get_or_create",
    measure=partial(posted, OURS, _ours),
    rival=partial(posted, RIVALS, _theirs),
    goals=(
        Goal(
            what="requests/s against the rival's",
            figure=lambda mine, theirs: mine["requests/s"] / theirs["requests/s"],
            at_least=3,
            unit="x",
        ),
        Goal(
            what=f"rows too many or too few, {COPIES} copies of each event at once",
            figure=lambda mine, _theirs: mine["rows too many or too few"],
            at_most=0,
        ),
    ),
    quick=(partial(posted, OURS, _ours, events=5), partial(posted, RIVALS, _theirs, events=5)),
)
