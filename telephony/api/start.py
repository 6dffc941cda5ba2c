"""POST /telephony/dialer/start: a list of numbers becomes a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import as_node_id, choose_workspace, node_in
from aispinner.core.auth import caller
from aispinner.core.errors import Invalid
from aispinner.core.idempotency import answer_once
from aispinner.core.models import Node, NodeType, Role, Workspace
from integrations.numbers import parse_e164
from telephony.api.reading import Body, Findings
from telephony.models import Pacing
from telephony.services import NewRecipient, start_run

MOST_NUMBERS = 100_000
MOST_ERRORS = 100
MOST_VARIABLES = 100
KNOWN = (
    "workspace_id", "node_id", "numbers", "recipients", "agent_node_id", "max_concurrent", "pacing", "name",
)  # fmt: skip
CALLING = (NodeType.PBX, NodeType.PHONE_NUMBER)


@dataclass
class Recipients:
    """The list, in its order, each number once; `duplicates` are the numbers that came again."""

    new: list[NewRecipient] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


class StartView(APIView):
    """Start a campaign."""

    def post(self, request: Request) -> Response:
        """200 with the campaign's `call_id` and `status`, and the `duplicates` that are dialled once."""
        user = caller(request)
        body = Body(request.data, known=KNOWN)
        workspace, node = _where(request, body)
        agent_node_id = body.text("agent_node_id", longest=100) or None
        max_concurrent = body.whole("max_concurrent", low=1, high=1000, default=5)
        pacing = body.choice("pacing", Pacing.values, default=Pacing.CHUNKED)
        name = body.text("name")
        recipients = read_recipients(body)
        body.check()

        def work() -> Response:
            run = start_run(
                user=user,
                workspace=workspace,
                node=node,
                recipients=recipients.new,
                agent_node_id=agent_node_id,
                max_concurrent=max_concurrent,
                pacing=pacing,
                name=name,
            )
            return Response({"call_id": run.call_id, "status": str(run.status), "duplicates": recipients.duplicates})

        return answer_once(request=request, workspace=workspace, work=work)


def _where(request: Request, body: Body) -> tuple[Workspace, Node]:
    """The workspace and the calling node. Checked first: who may not call is not told what is wrong with the rest."""
    node_id = body.get("node_id")
    if node_id is None:
        raise Invalid(
            "node_id: Name the PBX or phone-number node to call from.", errors={"node_id": ["This is needed."]}
        )
    workspace = choose_workspace(
        user=caller(request), workspace_id=body.get("workspace_id"), node_id=as_node_id(node_id), role=Role.EDITOR
    )
    return workspace, node_in(workspace=workspace, node_id=node_id, types=CALLING)


def read_recipients(body: Body) -> Recipients:
    """`numbers`, or `recipients` with variables; each bad one is blamed with its place in the list (from 0)."""
    numbers, recipients = body.get("numbers"), body.get("recipients")
    name = "numbers" if recipients is None else "recipients"
    items = numbers if recipients is None else recipients
    if numbers is not None and recipients is not None:
        body.blame("recipients", "Send numbers or recipients, not both.")
    elif not isinstance(items, list) or not items:
        body.blame(name, "Takes a list with at least one number.")
    elif len(items) > MOST_NUMBERS:
        body.blame(name, f"Takes at most {MOST_NUMBERS:,} in one campaign; this has {len(items):,}. Start several.")
    else:
        return _read_items(body, name, items)
    return Recipients()


def _read_items(body: Body, name: str, items: Sequence[Any]) -> Recipients:
    found = Recipients()
    wrong = Findings()
    seen: set[str] = set()
    again: dict[str, None] = {}
    for position, item in enumerate(items):
        recipient = _read_item(wrong, f"{name}.{position}", item)
        if recipient is None:
            continue
        if recipient.number in seen:
            again[recipient.number] = None
            continue
        seen.add(recipient.number)
        found.new.append(recipient)
    found.duplicates = list(again)
    _blame_capped(body, name, wrong)
    return found


def _read_item(wrong: Findings, place: str, item: Any) -> NewRecipient | None:
    variables = None
    if isinstance(item, Mapping):
        variables, number = item.get("variables"), item.get("number")
        if place.startswith("numbers") or set(item) - {"number", "variables"} or not _are_variables(variables):
            wrong.blame(place, _shape_of(place))
            return None
        item, place = number, f"{place}.number"
    if not isinstance(item, str):
        wrong.blame(place, "Takes a number as text in E.164, such as +15551234567.")
        return None
    try:
        return NewRecipient(number=parse_e164(item), variables=variables or None)
    except ValueError as error:
        wrong.blame(place, str(error))
        return None


def _shape_of(place: str) -> str:
    if place.startswith("numbers"):
        return "Takes a number as text; send recipients to give variables."
    return f"Takes {{number, variables}}, with at most {MOST_VARIABLES} variables, each a text, a number or true/false."


def _are_variables(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or len(value) > MOST_VARIABLES:
        return False
    return all(isinstance(each, (str, int, float, bool)) for each in value.values())


def _blame_capped(body: Body, name: str, wrong: Findings) -> None:
    """Hand over the first MOST_ERRORS, and how many more there are."""
    for place in list(wrong.errors)[:MOST_ERRORS]:
        body.errors[place] = wrong.errors[place]
    more = len(wrong.errors) - MOST_ERRORS
    if more > 0:
        body.blame(name, f"{more:,} more are wrong; only the first {MOST_ERRORS} are listed.")
