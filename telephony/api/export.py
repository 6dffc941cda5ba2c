"""Answers as CSV: asked for by `?format=csv` or `Accept: text/csv`, sent as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.audit import record
from aispinner.core.auth import caller
from aispinner.core.errors import Invalid
from aispinner.core.rendering import JSONRenderer, Negotiation
from telephony.api.finding import run_for
from telephony.journal.export import results_csv


class CSVRenderer(JSONRenderer):
    """Stands for CSV when formats are negotiated. It renders nothing: CSV is streamed, and refusals are JSON."""

    media_type = "text/csv"
    format = "csv"


class FormatNegotiation(Negotiation):
    """A `format` that there is not is Invalid (422), and said so."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:  # noqa: A002
        """The renderers of this format."""
        by_format = {str(renderer.format): renderer for renderer in renderers}
        if format not in by_format:
            sentence = f"Takes one of {', '.join(by_format)}."
            raise Invalid(f"format: {sentence}", errors={"format": [sentence]})
        return [by_format[format]]


class CSVAnswers(APIView):
    """A view that can also answer as CSV."""

    renderer_classes = (JSONRenderer, CSVRenderer)
    content_negotiation_class = FormatNegotiation

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Whatever is rendered, such as a refusal, is JSON; CSV and pages of the journal are bytes already."""
        if isinstance(response, Response):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)


class ResultsView(CSVAnswers):
    """GET /telephony/runs/{call_id}/results.csv"""

    def get(self, request: Request, call_id: str) -> StreamingHttpResponse:
        """A row for each number of a campaign."""
        run = run_for(user=caller(request), call_id=call_id)
        record(action="campaign.exported", about=run, workspace=run.workspace)
        return csv_file(results_csv(run_id=run.pk), name=run.call_id)


def wants_csv(request: Request) -> bool:
    """Whether CSV was negotiated."""
    return isinstance(request.accepted_renderer, CSVRenderer)


def csv_file(parts: Iterator[bytes], *, name: str) -> StreamingHttpResponse:
    """A download, named after what it is and the day."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8", headers=headers)
