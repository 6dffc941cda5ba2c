"""What always holds, as questions to the database: each returns the rows that contradict it, and none where it holds.

Every question returns (where, what, stored, derived). `%(run)s` is a run's id, or null for all of them.
Nothing returned is personal: a recipient is named by its run and its place in the list.
"""

from __future__ import annotations

from dataclasses import dataclass

TERMINAL = "('done', 'failed', 'cancelled')"
CLOSED = "('done', 'dissolved')"


@dataclass(frozen=True, kw_only=True)
class Check:
    """`sentence` is what always holds. `of_one_run`: whether it can be asked of a single run."""

    name: str
    sentence: str
    sql: str
    of_one_run: bool = True


PROGRESS = Check(
    name="progress",
    sentence="A run's counters are what its recipients, calls and chunks say, until those are deleted for their age.",
    sql=f"""
SELECT run.call_id, counter.name, counter.stored, counter.derived
  FROM telephony_runprogress p
  JOIN telephony_run run ON run.id = p.run_id
 CROSS JOIN LATERAL (
    SELECT count(*) AS numbers, count(*) FILTER (WHERE status = 'pending') AS pending,
           count(*) FILTER (WHERE status = 'in_flight') AS in_flight,
           count(*) FILTER (WHERE status = 'success') AS success,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled
      FROM telephony_recipient WHERE run_id = p.run_id) r
 CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status <> 'cancelled') AS tried, coalesce(sum(duration_sec), 0) AS seconds
      FROM telephony_call WHERE run_id = p.run_id) c
 CROSS JOIN LATERAL (
    SELECT count(*) AS chunks, count(*) FILTER (WHERE status IN {CLOSED}) AS closed
      FROM telephony_chunk WHERE run_id = p.run_id) k
 CROSS JOIN LATERAL (VALUES
    ('numbers_count', p.numbers_count::bigint, r.numbers), ('pending', p.pending::bigint, r.pending),
    ('in_flight', p.in_flight::bigint, r.in_flight), ('success', p.success::bigint, r.success),
    ('failed', p.failed::bigint, r.failed), ('cancelled', p.cancelled::bigint, r.cancelled),
    ('child_count', p.child_count::bigint, c.tried), ('total_duration_sec', p.total_duration_sec, c.seconds),
    ('chunks_total', p.chunks_total::bigint, k.chunks), ('chunks_done', p.chunks_done::bigint, k.closed)
 ) AS counter(name, stored, derived)
 WHERE counter.stored <> counter.derived AND run.pruned_at IS NULL
   AND (%(run)s::bigint IS NULL OR p.run_id = %(run)s)
 ORDER BY p.run_id, counter.name
""",
)
DERIVED_TOTALS = """
SELECT c.workspace_id, n.node_id, c.status, (c.created_at AT TIME ZONE 'UTC')::date AS day,
       count(*)::bigint AS calls, sum(c.duration_sec)::bigint AS seconds
  FROM telephony_call c
 CROSS JOIN LATERAL (
    SELECT DISTINCT unnest(ARRAY[NULL, c.pbx_node_id, c.phone_node_id, c.agent_node_id]::bigint[]) AS node_id) n
 GROUP BY GROUPING SETS ((1, 2, 3, 4), (1, 2, 3))
"""
TOTALS = Check(
    name="totals",
    sentence="The journal's totals, per workspace or node, status and day or all days, are what its calls say.",
    of_one_run=False,
    sql=f"""
SELECT format('workspace %%s, %%s, %%s', coalesce(t.workspace_id, d.workspace_id),
              coalesce('node ' || coalesce(t.node_id, d.node_id), 'all nodes'),
              coalesce(t.day::text, d.day::text, 'all days')),
       coalesce(t.status, d.status),
       format('%%s calls, %%s s', coalesce(t.calls, 0), coalesce(t.duration_sec, 0)),
       format('%%s calls, %%s s', coalesce(d.calls, 0), coalesce(d.seconds, 0))
  FROM telephony_journaltotal t
  FULL JOIN ({DERIVED_TOTALS}) d
    ON (t.workspace_id, coalesce(t.node_id, 0), t.status, coalesce(t.day, 'infinity'))
     = (d.workspace_id, coalesce(d.node_id, 0), d.status, coalesce(d.day, 'infinity'))
 WHERE (coalesce(t.calls, 0), coalesce(t.duration_sec, 0)) <> (coalesce(d.calls, 0), coalesce(d.seconds, 0))
 ORDER BY 1, 2
""",
)
RECIPIENTS = Check(
    name="recipients",
    sentence="A recipient is where its one call that counts is; without one it is pending or cancelled.",
    sql="""
SELECT format('%%s, place %%s', run.call_id, r.position), 'recipient', r.status,
       CASE WHEN c.calls > 1 THEN 'called ' || c.calls || ' times' ELSE 'call ' || coalesce(c.status, 'none') END
  FROM telephony_recipient r
  JOIN telephony_run run ON run.id = r.run_id
  LEFT JOIN (SELECT recipient_id, count(*) AS calls, min(status) AS status
               FROM telephony_call WHERE status <> 'cancelled' GROUP BY 1) c ON c.recipient_id = r.id
 WHERE run.pruned_at IS NULL AND (%(run)s::bigint IS NULL OR r.run_id = %(run)s)
   AND (coalesce(c.calls, 0) > 1 OR r.status NOT IN (
        CASE WHEN c.status IS NULL THEN 'pending' WHEN c.status = 'done' THEN 'success'
             WHEN c.status = 'failed' THEN 'failed' ELSE 'in_flight' END,
        CASE WHEN c.status IS NULL THEN 'cancelled' ELSE '' END))
 ORDER BY r.run_id, r.position
""",
)
BELONGINGS = Check(
    name="belongings",
    sentence="A run's call is of its recipient, by its number, in a chunk of the run; nothing is up without a chunk.",
    sql=f"""
SELECT c.call_id, wrong.what, wrong.stored, wrong.derived
  FROM telephony_call c
  LEFT JOIN telephony_recipient r ON r.id = c.recipient_id
  LEFT JOIN telephony_chunk k ON k.id = c.chunk_id
 CROSS JOIN LATERAL (VALUES
    ('run of its recipient', c.run_id::text, r.run_id::text, c.run_id IS DISTINCT FROM r.run_id),
    ('run of its chunk', c.run_id::text, k.run_id::text, c.chunk_id IS NOT NULL AND c.run_id IS DISTINCT FROM k.run_id),
    ('number', 'its own', 'another''s', c.recipient_id IS NOT NULL AND c.subscriber_phone <> r.number),
    ('chunk', 'none', 'one, or an end', c.run_id IS NOT NULL AND c.chunk_id IS NULL AND c.status NOT IN {TERMINAL}),
    ('chunk', k.status, 'open: the call is ' || c.status, k.status IN {CLOSED} AND c.status NOT IN {TERMINAL})
 ) AS wrong(what, stored, derived, holds)
 WHERE wrong.holds AND (%(run)s::bigint IS NULL OR c.run_id = %(run)s)
 ORDER BY c.id
""",
)
ENDS = Check(
    name="ends",
    sentence="A call has an outcome and an end when it is terminal, and only then; who was on the line was dialled.",
    sql=f"""
SELECT c.call_id, wrong.what, wrong.stored, wrong.derived
  FROM telephony_call c
 CROSS JOIN LATERAL (VALUES
    ('outcome', c.outcome, c.status, (c.outcome <> '') <> (c.status IN {TERMINAL})),
    ('ended_at', c.ended_at::text, c.status, (c.ended_at IS NOT NULL) <> (c.status IN {TERMINAL})),
    ('settled_at', c.settled_at::text, c.status, c.settled_at IS NOT NULL AND c.status NOT IN {TERMINAL}),
    ('answered_at', c.answered_at::text, 'never dialled', c.status = 'cancelled' AND c.answered_at IS NOT NULL)
 ) AS wrong(what, stored, derived, holds)
 WHERE wrong.holds AND (%(run)s::bigint IS NULL OR c.run_id = %(run)s)
 ORDER BY c.id
""",
)
EVENTS = Check(
    name="events",
    sentence="A call ends once: it has one event of its end, and is as that event says.",
    sql=f"""
SELECT c.call_id, 'ends told', c.status, coalesce(e.told, 'none')
  FROM telephony_call c
  LEFT JOIN (SELECT call_id, string_agg(data ->> 'status', ', ' ORDER BY id) AS told
               FROM telephony_callevent
              WHERE call_id IS NOT NULL AND type = 'status' AND data ->> 'status' IN {TERMINAL}
              GROUP BY 1) e ON e.call_id = c.id
 WHERE (%(run)s::bigint IS NULL OR c.run_id = %(run)s)
   AND e.told IS DISTINCT FROM CASE WHEN c.status IN {TERMINAL} THEN c.status END
 ORDER BY c.id
""",
)
CHUNKS = Check(
    name="chunks",
    sentence="An open chunk is looked at again, a closed one is not; an open one belongs to a run that is not at rest.",
    sql=f"""
SELECT k.key, wrong.what, wrong.stored, wrong.derived
  FROM telephony_chunk k
  JOIN telephony_run run ON run.id = k.run_id
  LEFT JOIN (SELECT chunk_id, count(*) AS calls FROM telephony_call GROUP BY 1) c ON c.chunk_id = k.id
 CROSS JOIN LATERAL (VALUES
    ('next_at', k.next_at::text, k.status, (k.status IN {CLOSED} OR k.status = 'rate_limited') <> (k.next_at IS NULL)),
    ('retry_at', k.retry_at::text, k.status, (k.status = 'rate_limited') <> (k.retry_at IS NOT NULL)),
    ('finished_at', k.finished_at::text, k.status, (k.status IN {CLOSED}) <> (k.finished_at IS NOT NULL)),
    ('size', k.size::text, coalesce(c.calls, 0)::text,
     k.size > coalesce(c.calls, 0) AND run.pruned_at IS NULL),
    ('status', k.status, 'run ' || run.status,
     k.status NOT IN {CLOSED} AND (run.status IN ('paused', 'completed') OR run.finished_at IS NOT NULL))
 ) AS wrong(what, stored, derived, holds)
 WHERE wrong.holds AND (%(run)s::bigint IS NULL OR k.run_id = %(run)s)
 ORDER BY k.id
""",
)
RUNS = Check(
    name="runs",
    sentence="A run is looked at again until it rests; one at rest has nothing up, one that is over nothing pending.",
    sql="""
SELECT run.call_id, wrong.what, wrong.stored, wrong.derived
  FROM telephony_run run
  LEFT JOIN telephony_runprogress p ON p.run_id = run.id
 CROSS JOIN LATERAL (SELECT run.status IN ('running', 'pausing')
                         OR (run.status = 'cancelled' AND run.finished_at IS NULL) AS active) a
 CROSS JOIN LATERAL (VALUES
    ('progress', 'none', 'a row', p.run_id IS NULL),
    ('next_at', 'none', run.status, a.active AND run.next_at IS NULL),
    ('in_flight', p.in_flight::text, run.status, NOT a.active AND p.in_flight > 0),
    ('pending', p.pending::text, run.status,
     run.status IN ('completed', 'cancelled') AND NOT a.active AND p.pending > 0),
    ('finished_at', run.finished_at::text, run.status,
     CASE run.status WHEN 'completed' THEN run.finished_at IS NULL WHEN 'cancelled' THEN false
          ELSE run.finished_at IS NOT NULL END)
 ) AS wrong(what, stored, derived, holds)
 WHERE wrong.holds AND (%(run)s::bigint IS NULL OR run.id = %(run)s)
 ORDER BY run.id
""",
)
PRUNED = Check(
    name="pruned",
    sentence="A run whose calls were deleted for their age is over, and has no more left than its counters say.",
    sql="""
SELECT run.call_id, wrong.what, wrong.stored::text, wrong.derived::text
  FROM telephony_run run
  JOIN telephony_runprogress p ON p.run_id = run.id
 CROSS JOIN LATERAL (SELECT count(*) AS numbers FROM telephony_recipient WHERE run_id = run.id) r
 CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE status <> 'cancelled') AS tried FROM telephony_call
                      WHERE run_id = run.id) c
 CROSS JOIN LATERAL (VALUES
    ('undone', p.pending + p.in_flight, 0::bigint, p.pending + p.in_flight > 0),
    ('numbers_count', p.numbers_count, r.numbers, r.numbers > p.numbers_count),
    ('child_count', p.child_count, c.tried, c.tried > p.child_count)
 ) AS wrong(what, stored, derived, holds)
 WHERE run.pruned_at IS NOT NULL AND wrong.holds AND (%(run)s::bigint IS NULL OR run.id = %(run)s)
 ORDER BY run.id
""",
)
RUN_LIMIT = Check(
    name="run limit",
    sentence="A run has no more calls up than it may.",
    sql=f"""
SELECT run.call_id, 'calls up', run.max_concurrent, up.calls
  FROM (SELECT run_id, count(*) AS calls FROM telephony_call
         WHERE run_id IS NOT NULL AND status NOT IN {TERMINAL} GROUP BY 1) up
  JOIN telephony_run run ON run.id = up.run_id
 WHERE up.calls > run.max_concurrent AND (%(run)s::bigint IS NULL OR run.id = %(run)s)
 ORDER BY run.id
""",
)
ACCOUNT_LIMIT = Check(
    name="account limit",
    sentence="An account has no more calls of campaigns up than its limit (unless that was lowered just now).",
    of_one_run=False,
    sql=f"""
SELECT 'account ' || account.id, 'calls up', account.concurrency_limit, up.calls
  FROM (SELECT run.account_id, count(*) AS calls FROM telephony_call c JOIN telephony_run run ON run.id = c.run_id
         WHERE c.status NOT IN {TERMINAL} GROUP BY 1) up
  JOIN integrations_account account ON account.id = up.account_id
 WHERE up.calls > account.concurrency_limit
 ORDER BY account.id
""",
)
_NUMBERS = """
SELECT id AS number, 'call ' || call_id AS place FROM telephony_call
UNION ALL SELECT version, 'version of ' || call_id FROM telephony_call WHERE version <> id
UNION ALL SELECT id, 'event ' || id FROM telephony_callevent
UNION ALL SELECT version, 'version of run ' || run_id FROM telephony_runprogress WHERE version <> 0
"""
SEQUENCE = Check(
    name="sequence",
    sentence="Ids and versions are numbers of the one sequence: none ahead of it, none given twice.",
    of_one_run=False,
    sql=f"""
SELECT place, 'number', (SELECT coalesce(max(value), 0) FROM telephony_sequence), number
  FROM ({_NUMBERS}) n WHERE number > (SELECT coalesce(max(value), 0) FROM telephony_sequence)
UNION ALL
SELECT string_agg(place, ', '), 'given twice', number, count(*) FROM ({_NUMBERS}) n GROUP BY number HAVING count(*) > 1
""",
)
ORDER = Check(
    name="order",
    sentence="Calls and events are as old as their ids say.",
    of_one_run=False,
    sql="""
SELECT place, 'moment', at::text, 'after ' || before::text
  FROM (SELECT 'call ' || id AS place, created_at AS at, lag(created_at) OVER (ORDER BY id) AS before
          FROM telephony_call
        UNION ALL
        SELECT 'event ' || id, at, lag(at) OVER (ORDER BY id) FROM telephony_callevent) o
 WHERE at < before
""",
)

CHECKS = (
    *(PROGRESS, TOTALS, RECIPIENTS, BELONGINGS, ENDS, EVENTS, CHUNKS),
    *(RUNS, PRUNED, RUN_LIMIT, ACCOUNT_LIMIT, SEQUENCE, ORDER),
)
