"""Calls that begin with what a provider tells of them: each conversation once, whoever hears of it first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from django.db import DataError, IntegrityError, transaction

from integrations.calls import CallReport
from integrations.models import Account
from telephony.dialer.ledger import DayTurnedError
from telephony.dialer.transitions import apply_reports
from telephony.inbound.places import Places, e164_or_empty
from telephony.models import Call

_ID = re.compile(r"[!-~]{1,100}\Z")

log = structlog.get_logger(__name__)


def may_begin(report: CallReport) -> bool:
    """Whether a report may be the first we hear of a call: of a whole conversation, without one of our own ids.

    A call of ours whose row is not known here belongs to somebody else.
    """
    return report.origin is not None and report.call_id is None and storable_id(report.conversation_id or "")


def storable_id(conversation_id: str) -> bool:
    """Whether a provider's id is one."""
    return _ID.match(conversation_id) is not None


def lock_account(account_id: int) -> None:
    """Hold this until the end of the transaction in which calls begin, and before looking which exist already."""
    list(Account.objects.select_for_update(no_key=True).filter(pk=account_id).values_list("pk"))


def new_calls(account_id: int, reports: Iterable[CallReport]) -> dict[str, tuple[Call, CallReport]]:
    """A call, not stored yet, for each conversation that belongs to somebody here, by conversation; to be begun with
    `apply_reports` under the account's lock. The caller has left out the conversations that have a call.
    """
    places, found = Places(account_id=account_id), dict[str, tuple[Call, CallReport]]()
    for report in reports:
        place = places.of(report.origin) if report.origin is not None and may_begin(report) else None
        if place is None or report.origin is None or report.conversation_id in found:
            continue
        call = Call(
            account_id=account_id,
            workspace_id=place.workspace_id,
            pbx_node_id=place.pbx_node_id,
            phone_node_id=place.phone_node_id,
            agent_node_id=place.agent_node_id,
            direction=report.origin.direction,
            subscriber_phone=e164_or_empty(report.origin.external_number),
        )
        found[report.conversation_id or ""] = (call, report)
    return found


def begin_calls(account_id: int, reports: Sequence[CallReport], *, now: datetime) -> set[str]:
    """Make calls of the conversations that belong to somebody here. Returns the conversations that have a call now.

    One that cannot be stored keeps none of the others out.
    """
    try:
        return _begin_calls(account_id, reports, now=now)
    except (DataError, IntegrityError):
        if len(reports) == 1:
            log.warning("conversation_not_storable", account_id=account_id, conversation_id=reports[0].conversation_id)
            return set()
    return {id_ for report in reports for id_ in begin_calls(account_id, [report], now=now)}


def _begin_calls(account_id: int, reports: Sequence[CallReport], *, now: datetime) -> set[str]:
    try:
        return _begin(account_id, reports, now=now)
    except DayTurnedError:
        return _begin(account_id, reports, now=now)


@transaction.atomic
def _begin(account_id: int, reports: Sequence[CallReport], *, now: datetime) -> set[str]:
    by_id = {report.conversation_id: report for report in reports if may_begin(report)}
    if not by_id:
        return set()
    lock_account(account_id)
    existing = Call.objects.filter(account=account_id, conversation_id__in=list(by_id))
    known = {id_ for id_ in existing.values_list("conversation_id", flat=True) if id_}
    begun = new_calls(account_id, [report for id_, report in by_id.items() if id_ not in known])
    apply_reports({}, begun=list(begun.values()), now=now)
    if begun:
        log.info("conversations_became_calls", account_id=account_id, calls=len(begun))
    return known | set(begun)
