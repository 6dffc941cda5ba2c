"""What happened to a call or a campaign, to be polled."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.auth import caller
from telephony.api.finding import call_for, run_for
from telephony.api.reading import Query
from telephony.api.shapes import event_json
from telephony.journal.delta import read_mark
from telephony.models import CallEvent

LIMIT, MOST = 200, 1000
COUNTED_UP_TO = 10_000


class EventsView(APIView):
    """GET /telephony/calls/{call_id}/events"""

    def get(self, request: Request, call_id: str) -> Response:
        """Events after `since`, oldest first; `max_id` is what to send as `since` next.

        A campaign's events include those of its calls. `total` counts all of them, up to 10,000.
        """
        query = Query(request.query_params)
        since = query.whole("since") or 0
        limit = query.whole("limit", low=1, high=MOST) or LIMIT
        query.check()
        every = events_of(user=caller(request), call_id=call_id)
        mark = read_mark()  # before the events, as `telephony.journal.delta` explains
        newer = every.filter(pk__gt=since, pk__lte=mark).select_related("call", "run")
        events = list(newer[: limit + 1]) if since < mark else []
        cut = len(events) > limit
        shown = events[:limit]
        total = every.order_by()[:COUNTED_UP_TO].count()
        return Response(
            {
                "events": [event_json(event) for event in shown],
                "total": total,
                "total_capped": total == COUNTED_UP_TO,
                "max_id": shown[limit - 1].pk if cut else mark,
                "has_more": cut,
            }
        )


def events_of(*, user: User, call_id: str) -> QuerySet[CallEvent]:
    """All events of the call or campaign `call_id`, oldest first; NotFound (404) where `user` may not see it."""
    if call_id.startswith("camp_"):
        return CallEvent.objects.filter(run=run_for(user=user, call_id=call_id)).order_by("pk")
    return CallEvent.objects.filter(call=call_for(user=user, call_id=call_id)).order_by("pk")
