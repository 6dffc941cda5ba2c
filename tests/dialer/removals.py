"""Each lock, constraint and lookup of the dialer, and the test that fails without it (`-m tests.dialer.removals`).

Takes each away in a copy of the tree and runs its test there, which must fail. `test_removals` keeps the list true.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
D, T = "telephony/dialer/", "tests/dialer/"
RACES, WIRE, LOOKUPS, DEATHS, CONSTRAINTS = (
    f"{T}test_{file}.py::test_" for file in ("races", "races_at_the_wire", "lookups", "deaths", "constraints")
)


@dataclass(frozen=True)
class Removal:
    """`old` becomes `new` in `file`; `test` fails then."""

    what: str
    file: str
    old: str
    new: str
    test: str


LOCKS = (
    Removal(
        "account row, in a claim",
        f"{D}claims.py",
        "Account.objects.select_for_update(no_key=True).get(runs=run_id)",
        "Account.objects.get(runs=run_id)",
        f"{RACES}two_campaigns_that_claim_at_once_stay_within_their_accounts_limit",
    ),
    Removal(
        "account row, before the run's, where a quota is used up",
        f"{D}records.py",
        "Account.objects.filter(runs=run_id).update(exhausted_at=now)",
        "locked_run(run_id)\n            Account.objects.filter(runs=run_id).update(exhausted_at=now)",
        f"{RACES}a_used_up_quota_and_a_claim_do_not_lock_each_other_out",
    ),
    Removal(
        "account row, where room is learned",
        f"{D}records.py",
        "Account.objects.select_for_update(no_key=True).get(runs__chunks=chunk_id)",
        "Account.objects.get(runs__chunks=chunk_id)",
        f"{RACES}room_is_learned_by_one_after_the_other",
    ),
    Removal(
        "account row, where a conversation becomes a call",
        "telephony/inbound/arrivals.py",
        "Account.objects.select_for_update(no_key=True).filter(pk=account_id)",
        "Account.objects.filter(pk=account_id)",
        "tests/inbound/test_events.py::test_whoever_begins_calls_waits_for_the_account",
    ),
    Removal(
        "run row",
        f"{D}runs.py",
        "Run.objects.select_for_update(no_key=True).get(pk=run_id)",
        "Run.objects.get(pk=run_id)",
        f"{WIRE}resuming_twice_at_once_resumes_once",
    ),
    Removal(
        "call rows",
        f"{D}transitions.py",
        'Call.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=ids)',
        "Call.objects.filter(pk__in=ids)",
        f"{RACES}one_report_applied_twice_at_once_is_written_once",
    ),
    Removal(
        "progress rows",
        f"{D}transitions.py",
        "RunProgress.objects.select_for_update(no_key=True).filter(pk__in=list(run_ids))",
        "RunProgress.objects.filter(pk__in=list(run_ids))",
        f"{RACES}two_calls_of_a_run_that_end_at_once_are_both_counted",
    ),
    Removal(
        "sequence row, held until commit",
        f"{D}ledger.py",
        "cursor.execute(_TAKE, [count])",
        "cursor.execute(\"SELECT max(nextval('telephony_recipient_id_seq')), clock_timestamp()\""
        ' " FROM generate_series(1, %s)", [count])',
        f"{RACES}numbers_become_visible_in_the_order_they_were_handed_out",
    ),
    Removal(
        "due rows of the sweep, skipped where locked",
        f"{D}sweep.py",
        "select_for_update(skip_locked=True, no_key=True).filter(next_at__lte=now)",
        "filter(next_at__lte=now)",
        f"{WIRE}two_sweeps_at_once_share_the_rows_and_neither_waits",
    ),
    Removal(
        "due receipts, skipped where locked",
        "telephony/webhooks/inbox.py",
        'due.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by',
        "due.order_by",
        "tests/webhooks/test_applying.py::test_two_workers_at_one_endpoint_share_its_events_and_neither_waits",
    ),
    Removal(
        "the run's advisory lock, held by a worker",
        f"{D}locks.py",
        'return named_lock(f"run:{run_id}", wait=wait)',
        "from contextlib import nullcontext\n    return nullcontext(True)",
        f"{WIRE}two_workers_on_one_run_submit_once",
    ),
    Removal(
        "the run's advisory lock, taken by pause and cancel",
        "telephony/services.py",
        "with run_lock(run.pk, wait=submit_timeout() + timedelta(seconds=5)) as mine:",
        "for mine in (True,):",
        f"{WIRE}a_stop_waits_for_the_submission_on_the_wire_and_then_nothing_is_submitted",
    ),
    Removal(
        "a stop's wait for a dead worker's request",
        "telephony/services.py",
        "        _wait_for_the_wire(run)\n",
        "",
        f"{WIRE}a_pause_waits_for_what_a_dead_worker_may_have_on_the_wire",
    ),
    Removal(
        "the last look before the wire: is the run running?",
        f"{D}claims.py",
        "return run.status == RunStatus.RUNNING and bool(",
        "return bool(",
        f"{DEATHS}a_run_that_was_stopped_while_its_worker_prepared_submits_nothing",
    ),
    Removal(
        "the last look before the wire: is the chunk still ours?",
        f"{D}claims.py",
        "claimed = Chunk.objects.filter(pk=chunk_id, status=ChunkStatus.SUBMITTING)",
        "claimed = Chunk.objects.filter(pk=chunk_id)",
        f"{DEATHS}a_chunk_given_up_while_its_worker_was_slow_is_not_submitted_after_all",
    ),
    Removal(
        "a chunk's lease",
        f"{D}chunks.py",
        "Chunk.objects.filter(pk=chunk_id, next_at__lte=now).update(next_at=now + lease())",
        "Chunk.objects.filter(pk=chunk_id, next_at__lte=now).exists()",
        f"{WIRE}a_chunk_is_asked_about_by_one_worker_at_a_time",
    ),
    Removal(
        "a chunk's next look, put off only where nobody decided otherwise",
        f"{D}chunks.py",
        "Chunk.objects.filter(pk=chunk.pk, next_at=chunk.next_at).update(next_at=at",
        "Chunk.objects.filter(pk=chunk.pk).update(next_at=at",
        f"{WIRE}a_pause_while_a_chunk_is_asked_about_takes_the_rest_back_at_once",
    ),
    Removal(
        "a found chunk is not dissolved",
        f"{D}records.py",
        "undialled = Chunk.objects.filter(pk=chunk_id, status__in=_UNDIALLED)",
        "undialled = Chunk.objects.filter(pk=chunk_id)",
        f"{WIRE}a_chunk_that_is_found_while_another_gives_it_up_stays_found",
    ),
    Removal(
        "a dissolved chunk is not revived",
        f"{D}records.py",
        "moved = Chunk.objects.filter(pk=chunk_id, status__in=_SUBMITTED)",
        "moved = Chunk.objects.filter(pk=chunk_id)",
        f"{LOOKUPS}an_answer_that_comes_after_its_chunk_was_given_up_does_not_revive_it",
    ),
)
LOOKED_UP = (
    Removal(
        "lookup: the agent's batches by name",
        "telephony/stacks/elevenlabs.py",
        "if batch.name == order.key:",
        "if False:",
        f"{LOOKUPS}it_is_found_by_its_batch_before_anything_of_it_was_dialled",
    ),
    Removal(
        "lookup: the conversations by call",
        "telephony/stacks/elevenlabs.py",
        "if conversation is not None:\n                batch_call",
        "if False and conversation is not None:\n                batch_call",
        f"{LOOKUPS}it_is_found_by_its_conversations_where_the_batch_is_not_listed",
    ),
    Removal(
        "lookup: what an event has told of one of the calls",
        "telephony/stacks/elevenlabs.py",
        "Trace.FOUND if heard_of else Trace.NO_TRACE",
        "Trace.NO_TRACE",
        f"{LOOKUPS}what_an_event_has_told_of_one_call_proves_that_its_submission_arrived",
    ),
    Removal(
        "lookup: anew, where a chunk is sent anew",
        f"{D}claims.py",
        ", first_look_at=None)",
        ")",
        f"{LOOKUPS}a_chunk_that_is_sent_anew_is_looked_up_anew",
    ),
    Removal(
        "lookup: what is unknown is asked about, never submitted again at once",
        f"{D}records.py",
        "status=ChunkStatus.UNKNOWN, reason=error.reason.value)",
        "status=ChunkStatus.RATE_LIMITED, reason=error.reason.value, retry_at=now)",
        f"{LOOKUPS}a_submission_whose_answer_was_lost_is_found_and_not_made_again",
    ),
    Removal(
        "lookup: twice",
        f"{D}chunks.py",
        "chunk.first_look_at is not None and chunk.first_look_at + look_again_after() <= now",
        "True",
        f"{LOOKUPS}a_submission_that_never_arrived_is_dialled_after_two_blank_looks",
    ),
    Removal(
        "lookup: not before the request must have arrived",
        f"{D}chunks.py",
        "    elif now < arrived_by:",
        "    elif False:",
        f"{LOOKUPS}a_pause_looks_early_but_only_takes_what_it_finds",
    ),
    Removal(
        "the deadline of a silent call",
        f"{D}chunks.py",
        "return since is not None and since + longest_call(chunk.run.agent) < now",
        "return False",
        f"{DEATHS}a_call_that_is_silent_past_its_deadline_is_ended_as_lost",
    ),
)
_MARK = "pytestmark = pytest.mark.django_db\n"
_DROP = """

@pytest.fixture(autouse=True)
def _without_it(db: None) -> None:
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = '{name}'")
        row = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {{row[0]}} DROP CONSTRAINT {name}" if row else "DROP INDEX {name}")
"""
BY_NAME = {
    "a_recipient_is_dialled_once": "a_second_call_for_a_recipient_is_refused",
    "a_conversation_is_one_call": "a_conversation_is_one_call",
    "ended_calls_have_an_outcome": "a_call_has_an_outcome_when_it_has_ended_and_not_before",
    "one_active_run_per_node": "two_active_runs_on_a_node_are_refused",
    "run_max_concurrent_1_to_1000": "a_run_has_between_1_and_1000_lines",
    "no_recipient_is_lost": "a_counter_that_loses_a_recipient_is_refused",
    "a_number_is_once_in_a_run": "a_number_is_once_in_a_run",
    "recipients_in_order": "a_place_in_the_list_is_one_recipients",
    "journal_totals_key": "a_total_is_one_row",
    "an_account_has_a_line": "an_account_has_at_least_one_line",
    "one_account_per_external_id": "an_account_is_one_row",
    "an_event_is_stored_once": "an_event_is_stored_once",
}


def _constraint(name: str, test: str) -> Removal:
    """Dropped before the test."""
    drop = _MARK + _DROP.format(name=name)
    return Removal(f"constraint {name}", f"{T}test_constraints.py", _MARK, drop, f"{CONSTRAINTS}{test}")


def removals() -> list[Removal]:
    """All of them."""
    return [*LOCKS, *LOOKED_UP, *(_constraint(name, test) for name, test in BY_NAME.items())]


def _tried(wanted: list[str]) -> Iterator[tuple[Removal, bool]]:
    from aispinner.local.services import throwaway_environment

    with tempfile.TemporaryDirectory() as folder, throwaway_environment() as (_, env):
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", ".state", "__pycache__"))
        for removal in removals():
            if wanted and not any(word in removal.what for word in wanted):
                continue
            file = copy / removal.file
            whole = file.read_text()
            assert whole.count(removal.old) == 1, f"{removal.what}: not once in {removal.file}"
            file.write_text(whole.replace(removal.old, removal.new))
            pytest = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", removal.test]
            done = subprocess.run(pytest, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=600)
            file.write_text(whole)
            yield removal, done.returncode == 1 and " failed" in done.stdout


def main() -> int:
    """Try those whose names hold one of the arguments, or all; 1 where a test did not notice."""
    unnoticed = 0
    for removal, noticed in _tried(sys.argv[1:]):
        unnoticed += not noticed
        sys.stdout.write(f"{'✓' if noticed else '✗'} {removal.what}  →  {removal.test.split('::')[-1]}\n")
        sys.stdout.flush()
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
