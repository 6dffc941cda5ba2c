"""The data sets: a journal of 10,000, 100,000 or 1,000,000 calls as a house of fifty workspaces would have it.

Half of all calls went through one node; the rest is skewed over 47 workspaces; one is quiet (20 old calls), one empty.
Campaigns of a thousand numbers, ten turns in every conversation, 90 days. Rows are written by PostgreSQL itself, under
indexes that are made afterwards; every counter is as the dialer would have left it, which the audit is asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import connection, transaction

from aispinner.core.auth import issue_token
from aispinner.core.models import Node, NodeType, Workspace
from integrations.calls import Turn
from telephony.audit.checks import DERIVED_TOTALS
from telephony.dialer.transitions import transcript_text
from telephony.models import Run
from tests.bench import databases
from tests.factories import make_account, make_agent, make_key, make_member, make_node, make_phone_provider, make_user

WORKSPACES, BIG, QUIET, EMPTY = 50, 1, 49, 50  # places of those that are not like the others
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LOADED = ("telephony_call", "telephony_callevent", "telephony_recipient")
STEP = 5  # numbers of the sequence for each call: its id, three events, its version
_INDEXES = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY(%s::regclass[])
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
_PLACES = """
CREATE TEMP TABLE place AS
SELECT i, w, row_number() OVER (PARTITION BY w ORDER BY i) - 1 AS n,
       %(first)s::timestamptz + i * (interval '90 days' / %(calls)s) AS at
  FROM (SELECT i, CASE WHEN i %% 2 = 0 THEN 1 WHEN i < 40 THEN 49
                       ELSE 2 + floor(47 * power((i::bigint * 7919 %% 10007) / 10007.0, 2))::int END AS w
          FROM generate_series(1, %(calls)s) AS i) AS numbered
"""
_RUNS = """
INSERT INTO telephony_run (id, call_id, workspace_id, node_id, agent_id, phone_provider_id, account_id, voice_stack,
       provider_id, name, max_concurrent, pacing, status, wait_reason, hangs_up, created_at, started_at, finished_at)
SELECT h.run + place.n / 1000, 'camp_' || lpad(to_hex(h.run + place.n / 1000), 26, '0'), h.workspace, h.pbx, h.agent,
       h.provider, h.account, 'elevenlabs', '', 'Campaign ' || place.n / 1000, 50, 'continuous', 'completed', '', false,
       min(place.at), min(place.at), max(place.at) + interval '10 minutes'
  FROM place JOIN house h USING (w) GROUP BY h.run + place.n / 1000, place.n / 1000, h.workspace, h.pbx, h.agent,
       h.provider, h.account
"""
_CHUNKS = """
INSERT INTO telephony_chunk (id, key, run_id, status, size, external_id, reason, attempts, polls, submitted_at,
       created_at, finished_at)
SELECT run.id, 'chnk_' || lpad(to_hex(run.id), 26, '0'), run.id, 'done', 0, 'btcal_' || run.id, '', 1, 20,
       run.created_at, run.created_at, run.finished_at
  FROM telephony_run run
"""
_RECIPIENTS = """
INSERT INTO telephony_recipient (id, run_id, position, number, status)
SELECT i, h.run + n / 1000, n % 1000, '+1555' || lpad(i::text, 7, '0'),
       CASE WHEN i % 8 < 5 THEN 'success' ELSE 'failed' END
  FROM place JOIN house h USING (w)
"""
_CALLS = """
INSERT INTO telephony_call (id, call_id, version, workspace_id, run_id, recipient_id, chunk_id, account_id, pbx_node_id,
       phone_node_id, agent_node_id, direction, status, outcome, reason, disposition, subscriber_phone, conversation_id,
       duration_sec, summary, transcript, has_audio, created_at, dispatched_at, answered_at, ended_at, settled_at)
SELECT i * 5, 'call_' || lpad(to_hex(i), 26, '0'), i * 5 + 4, h.workspace, h.run + n / 1000, i, h.run + n / 1000,
       h.account, h.pbx, h.phone, h.agent_node, 'outbound', CASE WHEN done THEN 'done' ELSE 'failed' END,
       CASE WHEN done THEN 'answered' ELSE (ARRAY['no_answer', 'busy', 'error'])[1 + i % 3] END, '',
       CASE WHEN done THEN (ARRAY['success', 'failure', 'unknown'])[1 + i % 3] ELSE '' END,
       '+1555' || lpad(i::text, 7, '0'), 'conv_' || i, CASE WHEN done THEN 30 + i % 120 ELSE 0 END,
       CASE WHEN done THEN said.summary ELSE '' END, CASE WHEN done THEN said.transcript ELSE '[]' END, done, at,
       at + interval '2 s', CASE WHEN done THEN at + interval '9 s' END, at + interval '3 minutes',
       at + interval '4 minutes'
  FROM (SELECT *, i % 8 < 5 AS done FROM place) AS placed JOIN house h USING (w) JOIN said ON said.k = i % 200
"""
_EVENTS = """
INSERT INTO telephony_callevent (id, workspace_id, run_id, call_id, type, data, at)
SELECT c.id + e.k, c.workspace_id, c.run_id, c.id, e.type,
       CASE e.k WHEN 1 THEN '{"status": "dialing"}' WHEN 2 THEN jsonb_build_object('status', c.status,
       'outcome', c.outcome) ELSE jsonb_build_object('duration_sec', c.duration_sec) END, c.created_at
  FROM telephony_call c CROSS JOIN (VALUES (1, 'status'), (2, 'status'), (3, 'settled')) AS e(k, type)
"""
_PROGRESS = """
INSERT INTO telephony_runprogress (run_id, numbers_count, pending, in_flight, success, failed, cancelled, child_count,
       total_duration_sec, chunks_total, chunks_done, recent, version)
SELECT run_id, count(*), 0, 0, count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE status = 'failed'), 0,
       count(*), sum(duration_sec), 1, 1, '', 0
  FROM telephony_call GROUP BY run_id
"""
_TOTALS = f"""
INSERT INTO telephony_journaltotal (workspace_id, node_id, status, day, calls, duration_sec) {DERIVED_TOTALS}
"""
_SAID = (
    "I am calling about your appointment on Thursday at ten; is that still all right for you?",
    "Let me have a look at my calendar, one moment please. Yes, I think that Thursday should be fine.",
    "Wonderful. Please bring your insurance card, and come about ten minutes before the time.",
    "Which papers do I need exactly? The last time I was told that a copy would be enough.",
    "A copy is enough, of course. Would you like a reminder by text message on the day before?",
    "Yes please, that would be great, I tend to forget these things when there is a lot to do.",
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What is in a data set, by what is asked of it. `everyone` is a member everywhere, `quiet` of the last two."""

    everyone: User
    quiet: User

    @staticmethod
    def load() -> World:
        """The world of the database that is being used."""
        return World(everyone=User.objects.get(username="everyone"), quiet=User.objects.get(username="quiet"))

    def workspace(self, place: int) -> Workspace:
        return Workspace.objects.get(name=f"Workspace {place}")

    def node(self, place: int, kind: NodeType = NodeType.PBX) -> Node:
        return Node.objects.get(workspace=self.workspace(place), type=kind)

    def token(self) -> str:
        """A fresh bearer token of whoever sees everything."""
        return issue_token(user=self.everyone)[1]


_built: set[str] = set()


@contextmanager
def data_set(name: str) -> Iterator[World]:
    """Use the data set of this size, made when it is first asked for."""
    database = f"bench_{name.lower()}"
    if name not in _built:
        databases.create(database)
        with databases.using(database):
            build(SIZES[name])
        _built.add(name)
    with databases.using(database):
        yield World.load()


def build(calls: int) -> None:
    """Fill the database that is being used."""
    _make_houses()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # rows that fit by construction: no key is asked
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(_INDEXES, [list(LOADED)])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        _make_transcripts()
        cursor.execute(_PLACES, {"calls": calls, "first": FIRST})
        for statement in (_RUNS, _CHUNKS, _RECIPIENTS, _CALLS, _EVENTS, _PROGRESS, _TOTALS):
            cursor.execute(statement)
        cursor.execute(
            "INSERT INTO telephony_sequence (id, value, at) SELECT 1, %s, max(created_at) FROM telephony_call",
            [(calls + 1) * STEP],
        )
        for table in ("telephony_run", "telephony_chunk", "telephony_recipient"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        for _, definition in indexes:
            cursor.execute(definition)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def some_run(workspace: Workspace) -> Run:
    """A campaign from the middle of a workspace's past."""
    runs = Run.objects.filter(workspace=workspace).order_by("pk")
    return runs[runs.count() // 2]


def _make_houses() -> None:
    """Workspaces with a PBX, a number and an agent each; `house` names their rows for the statements."""
    everyone, quiet = make_user("everyone"), make_user("quiet")
    account = make_account(limit=1000)
    rows = []
    for place in range(1, WORKSPACES + 1):
        workspace = Workspace.objects.create(name=f"Workspace {place}")
        make_member(workspace=workspace, user=everyone)
        if place in {QUIET, EMPTY}:
            make_member(workspace=workspace, user=quiet)
        key = make_key(workspace=workspace, account=account)
        phone = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, node_id="phone")
        agent_node = make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent")
        pbx = make_node(workspace=workspace, node_id=f"pbx{place}", connected_to=[phone, agent_node])
        provider = make_phone_provider(node=phone, registered=account)
        agent = make_agent(node=agent_node, account=key.account)
        ids = (workspace.pk, pbx.pk, phone.pk, agent_node.pk, agent.pk, provider.pk, account.pk)
        rows.append((place, place * 10_000, *ids))
    with connection.cursor() as cursor:
        columns = (
            "w int, run int, workspace int, pbx int, phone int, agent_node int, agent int, provider int, account int"
        )
        cursor.execute(f"CREATE TEMP TABLE house ({columns})")
        cursor.executemany(f"INSERT INTO house VALUES ({', '.join(['%s'] * 9)})", rows)


def _make_transcripts() -> None:
    chance = random.Random(7)
    said = []
    for place in range(200):
        roles = ("agent", "user") * 5
        turns = [
            Turn(role=role, message=chance.choice(_SAID), time_in_call_secs=7 * turn) for turn, role in enumerate(roles)
        ]
        said.append((place, transcript_text(turns), "The person confirmed the appointment and wants a reminder."))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE said (k int, transcript text, summary text)")
        with cursor.copy("COPY said FROM STDIN") as copy:
            for row in said:
                copy.write_row(row)
