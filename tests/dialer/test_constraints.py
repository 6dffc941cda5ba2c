"""What must never happen is refused by the database itself, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import Account, WebhookEndpoint, WebhookReceipt
from telephony.dialer.claims import claim
from telephony.models import Call, JournalTotal, Recipient, Run, RunProgress, RunStatus
from telephony.models.call import new_call_id
from tests.factories import make_account, make_run, make_workspace

pytestmark = pytest.mark.django_db


def refused(do: Callable[[], Any], *, by: str) -> bool:
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        do()
    return by in str(error.value)


def a_call(**fields: Any) -> Call:
    """The call of a claimed chunk, or another like it, changed."""
    call = Call.objects.order_by("pk").first()
    if call is None:
        run = make_run(workspace=make_workspace(), numbers=["+15550100123"])
        claim(run.pk, now=timezone.now())
        call = Call.objects.get()
    if fields:
        call = Call.objects.get(pk=call.pk)
        call.pk, call.version, call.call_id = (
            Call.objects.latest("pk").pk + 10**6,
            call.version + 10**6,
            new_call_id(),
        )
        for name, value in fields.items():
            setattr(call, name, value)
        call.save(force_insert=True)
    return call


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_second_call_for_a_recipient_is_refused(status: str) -> None:
    a_call()
    assert refused(lambda: a_call(status=status), by="a_recipient_is_dialled_once")


@pytest.mark.parametrize(("status", "outcome"), [("done", "answered"), ("failed", "busy")])
def test_a_second_call_is_refused_after_the_first_has_ended_too(status: str, outcome: str) -> None:
    Call.objects.filter(pk=a_call().pk).update(status=status, outcome=outcome)
    assert refused(lambda: a_call(status="queued", outcome=""), by="a_recipient_is_dialled_once")


def test_a_recipient_that_was_not_dialled_may_be_called_again() -> None:
    Call.objects.filter(pk=a_call().pk).update(status="cancelled", outcome="cancelled")
    a_call(status="queued", outcome="")
    assert refused(lambda: a_call(status="queued", outcome=""), by="a_recipient_is_dialled_once")


@pytest.mark.parametrize("first", ["running", "pausing"])
@pytest.mark.parametrize("second", ["running", "pausing"])
def test_two_active_runs_on_a_node_are_refused(first: str, second: str) -> None:
    workspace = make_workspace()
    run = make_run(workspace=workspace, status=RunStatus(first))
    assert refused(
        lambda: make_run(workspace=workspace, node=run.node, status=RunStatus(second)), by="one_active_run_per_node"
    )


@pytest.mark.parametrize("resting", ["paused", "completed", "cancelled"])
def test_a_run_at_rest_leaves_its_node_to_others(resting: str) -> None:
    workspace = make_workspace()
    run = make_run(workspace=workspace, status=RunStatus(resting))
    make_run(workspace=workspace, node=run.node)
    assert refused(lambda: Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING), by="one_active_run_per_node")


def test_a_conversation_is_one_call() -> None:
    call = a_call()
    Call.objects.update(conversation_id="conv_1")
    assert refused(
        lambda: a_call(recipient=None, conversation_id="conv_1", account=call.account), by="a_conversation_is_one_call"
    )


@pytest.mark.parametrize(("status", "outcome"), [("done", ""), ("failed", ""), ("cancelled", ""), ("ringing", "busy")])
def test_a_call_has_an_outcome_when_it_has_ended_and_not_before(status: str, outcome: str) -> None:
    call = a_call()
    assert refused(
        lambda: Call.objects.filter(pk=call.pk).update(status=status, outcome=outcome), by="ended_calls_have_an_outcome"
    )


@pytest.mark.parametrize("counter", ["pending", "in_flight", "success", "failed", "cancelled"])
def test_a_counter_that_loses_a_recipient_is_refused(counter: str) -> None:
    run = make_run(workspace=make_workspace())
    changed = {counter: getattr(run.progress, counter) + 1}
    assert refused(lambda: RunProgress.objects.filter(pk=run.pk).update(**changed), by="no_recipient_is_lost")


def test_a_number_is_once_in_a_run() -> None:
    run = make_run(workspace=make_workspace(), numbers=["+15550100123"])
    assert refused(
        lambda: Recipient.objects.create(run=run, position=1, number="+15550100123"), by="a_number_is_once_in_a_run"
    )


def test_a_place_in_the_list_is_one_recipients() -> None:
    run = make_run(workspace=make_workspace(), numbers=["+15550100123"])
    assert refused(
        lambda: Recipient.objects.create(run=run, position=0, number="+15550100124"), by="recipients_in_order"
    )


def test_a_total_is_one_row() -> None:
    total = {"workspace": make_workspace(), "node": None, "status": "done", "day": timezone.now().date()}
    JournalTotal.objects.create(**total)
    assert refused(lambda: JournalTotal.objects.create(**total), by="journal_totals_key")


def test_an_account_is_one_row() -> None:
    make_account("acct_1")
    assert refused(lambda: make_account("acct_1"), by="one_account_per_external_id")


@pytest.mark.parametrize("most", [0, 1001])
def test_a_run_has_between_1_and_1000_lines(most: int) -> None:
    run = make_run(workspace=make_workspace())
    assert refused(lambda: Run.objects.filter(pk=run.pk).update(max_concurrent=most), by="run_max_concurrent_1_to_1000")


def test_an_account_has_at_least_one_line() -> None:
    run = make_run(workspace=make_workspace())
    assert refused(
        lambda: Account.objects.filter(pk=run.account_id).update(concurrency_limit=0), by="an_account_has_a_line"
    )


def test_an_event_is_stored_once() -> None:
    run = make_run(workspace=make_workspace())
    made = WebhookEndpoint.objects.create(account=run.account)
    WebhookReceipt.objects.create(endpoint=made, event_key="key", kind="k", body="{}")
    assert refused(
        lambda: WebhookReceipt.objects.create(endpoint=made, event_key="key", kind="k", body="{}"),
        by="an_event_is_stored_once",
    )
