-- name: run_of
-- One run: a slot that was sold, or an assignment, whether it was begun or not.
SELECT slot_id AS run_id, winning_task_id AS task_id, status FROM compute_auction_clears WHERE slot_id = :run_id
UNION ALL
SELECT assignment_id, task_id, status FROM task_assignments WHERE assignment_id = :run_id;

-- name: usages_of
-- Every word on what a run used, in order.
SELECT run_id, revision, meter, provenance, tokens, input_tokens, cached_input_tokens, output_tokens, cost_usd,
    cost_provenance, note, model, recorded_at
FROM run_usages WHERE run_id = :run_id ORDER BY revision;

-- name: append_usage!
-- Keep a word on what a run used.
INSERT INTO run_usages (run_id, revision, meter, provenance, tokens, input_tokens, cached_input_tokens, output_tokens,
    cost_usd, cost_provenance, note, model, recorded_at)
VALUES (:run_id, :revision, :meter, :provenance, :tokens, :input_tokens, :cached_input_tokens, :output_tokens,
    :cost_usd, :cost_provenance, :note, :model, :now);

-- name: output_of
-- How a run ended, and the last of what it wrote.
SELECT run_id, ended, exit_code, reason, stdout, stderr, output_bytes, seconds, recorded_at
FROM run_outputs WHERE run_id = :run_id;

-- name: save_output!
-- Keep how a run ended and the last of what it wrote; the first word stands.
INSERT INTO run_outputs (run_id, ended, exit_code, reason, stdout, stderr, output_bytes, seconds, recorded_at)
VALUES (:run_id, :ended, :exit_code, :reason, :stdout, :stderr, :output_bytes, :seconds, :now)
ON CONFLICT (run_id) DO NOTHING;

-- name: pull_requests_of
-- The pull requests of a run, as they were last seen, each with the run that named it first: it counts for that one.
SELECT p.run_id, p.url, p.state, p.checks, p.merged_at, p.seen_at,
    (SELECT q.run_id FROM run_pull_requests q WHERE q.url = p.url ORDER BY q.named_at, q.run_id LIMIT 1) AS counts_for
FROM run_pull_requests p WHERE p.run_id = :run_id ORDER BY p.url;

-- name: save_pull_request!
-- Keep how a run's pull request was last seen.
INSERT INTO run_pull_requests (run_id, url, state, checks, merged_at, named_at, seen_at)
VALUES (:run_id, :url, :state, :checks, :merged_at, :now, :now)
ON CONFLICT (run_id, url) DO UPDATE SET state = excluded.state, checks = excluded.checks,
    merged_at = excluded.merged_at, seen_at = excluded.seen_at;

-- name: pull_requests_open
-- Pull requests that were open when they were last seen, or merged since a time, those not seen for longest first.
SELECT p.run_id, p.url, p.state, p.checks, p.merged_at, p.seen_at,
    (SELECT q.run_id FROM run_pull_requests q WHERE q.url = p.url ORDER BY q.named_at, q.run_id LIMIT 1) AS counts_for
FROM run_pull_requests p WHERE p.state = 'open' OR (p.state = 'merged' AND p.merged_at > :merged_since_at)
ORDER BY p.seen_at, p.run_id, p.url LIMIT :page;

-- name: runs_ended
-- Runs that were begun and ended in a span, each with the latest word on what it used, how it ended, and its task.
SELECT r.run_id, r.source, r.task_id, r.quest_id, r.agent_id, r.status, r.actual_cost_tokens, r.actual_impact,
    r.finished_at, u.provenance, u.tokens, u.cost_usd, u.cost_provenance, u.model, e.ending, t.status AS task_status
FROM task_runs r LEFT JOIN run_endings e ON e.run_id = r.run_id LEFT JOIN tasks t ON t.task_id = r.task_id
    LEFT JOIN run_usages u ON u.run_id = r.run_id
    AND u.revision = (SELECT MAX(v.revision) FROM run_usages v WHERE v.run_id = r.run_id)
WHERE r.finished_at > :since_at AND r.finished_at <= :until_at
ORDER BY r.task_id, r.finished_at, r.run_id;

-- name: pull_requests_of_runs_ended
-- Pull requests of the runs that ended in a span, each once, as it was last seen by whoever looked.
SELECT p.url, MAX(CASE WHEN p.state = 'merged' THEN 1 ELSE 0 END) AS merged
FROM run_pull_requests p JOIN task_runs r ON r.run_id = p.run_id
WHERE r.finished_at > :since_at AND r.finished_at <= :until_at
GROUP BY p.url;
