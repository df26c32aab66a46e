-- name: save_ending!
-- Keep how a run ended; a later word takes the place of an earlier one.
INSERT INTO run_endings (run_id, ending, cause, note, retry_at, task_id, worker_id, ended_at)
VALUES (:run_id, :ending, :cause, :note, :retry_at, :task_id, :worker_id, :now)
ON CONFLICT (run_id) DO UPDATE SET ending = excluded.ending, cause = excluded.cause, note = excluded.note,
    retry_at = excluded.retry_at, worker_id = excluded.worker_id, ended_at = excluded.ended_at;

-- name: ending_of
-- How a run ended.
SELECT run_id, ending, cause, note, retry_at, task_id, worker_id, ended_at FROM run_endings WHERE run_id = :run_id;

-- name: endings_page
-- How runs ended, the latest first: those of one kind, or all.
SELECT run_id, ending, cause, note, retry_at, task_id, worker_id, ended_at FROM run_endings
WHERE (:ending = '' OR ending = :ending) ORDER BY ended_at DESC, run_id DESC LIMIT :page;

-- name: live_run
-- The live lease of a run: when it began, on which worker, and what that draws on.
SELECT l.fence, l.worker_id, l.leased_at, w.provider_id, w.draws_on FROM leases l JOIN workers w ON w.worker_id = l.worker_id
WHERE l.run_id = :run_id AND l.status = 'live';

-- name: losses_of_task
-- How often in a row a task's run ended with its worker.
SELECT losses FROM task_losses WHERE task_id = :task_id;

-- name: count_loss!
-- Count a run that ended with its worker, of a task that the backlog knows.
INSERT INTO task_losses (task_id, losses) SELECT task_id, 1 FROM tasks WHERE task_id = :task_id
ON CONFLICT (task_id) DO UPDATE SET losses = task_losses.losses + 1;

-- name: forget_losses!
-- Forget how often a task's runs ended with their workers.
DELETE FROM task_losses WHERE task_id = :task_id;

-- name: failures_of_worker
-- The tasks in a row that failed at once on a worker.
SELECT worker_id, failures, last_task_id, since_at FROM worker_failures WHERE worker_id = :worker_id;

-- name: save_failures!
-- Store the tasks in a row that failed at once on a worker.
INSERT INTO worker_failures (worker_id, failures, last_task_id, since_at)
VALUES (:worker_id, :failures, :last_task_id, :since_at)
ON CONFLICT (worker_id) DO UPDATE SET failures = excluded.failures, last_task_id = excluded.last_task_id,
    since_at = excluded.since_at;

-- name: forget_failures!
-- Forget what failed at once on a worker.
DELETE FROM worker_failures WHERE worker_id = :worker_id;

-- name: others_succeeded_since
-- Whether a run of the same pool succeeded on another worker since an instant.
SELECT e.run_id FROM run_endings e JOIN workers w ON w.worker_id = e.worker_id
WHERE e.ended_at >= :since_at AND e.ending = 'succeeded' AND e.worker_id <> :worker_id
    AND w.pool = (SELECT pool FROM workers WHERE worker_id = :worker_id)
LIMIT 1;

-- name: lock_breaker
-- Lock what may be paused, where it is.
SELECT kind, provider_id, name, trips, cause, note, opened_at, ends_at, trial_worker_id, trial_at FROM breakers
WHERE kind = :kind AND provider_id = :provider_id AND name = :name FOR UPDATE;

-- name: breakers_of_worker
-- What pauses a worker, or did until its next run decides.
SELECT b.kind, b.provider_id, b.name, b.trips, b.cause, b.note, b.opened_at, b.ends_at, b.trial_worker_id, b.trial_at,
    t.status AS trial_status,
    (SELECT MIN(l.leased_at) FROM leases l
        WHERE l.worker_id = b.trial_worker_id AND l.status = 'live' AND l.leased_at > b.opened_at) AS trial_began_at
FROM breakers b LEFT JOIN workers t ON t.worker_id = b.trial_worker_id
WHERE b.provider_id = :provider_id
    AND ((b.kind = 'worker' AND b.name = :worker_id) OR (b.kind = 'account' AND b.name = :draws_on))
ORDER BY b.kind, b.name;

-- name: breakers_page
-- Everything that is paused, or was until its next run decides.
SELECT kind, provider_id, name, trips, cause, note, opened_at, ends_at FROM breakers ORDER BY ends_at DESC, kind, name LIMIT :page;

-- name: save_breaker!
-- Pause a worker, or all that draw on an account.
INSERT INTO breakers (kind, provider_id, name, trips, cause, note, opened_at, ends_at, trial_worker_id, trial_at)
VALUES (:kind, :provider_id, :name, :trips, :cause, :note, :opened_at, :ends_at, NULL, NULL)
ON CONFLICT (kind, provider_id, name) DO UPDATE SET trips = excluded.trips, cause = excluded.cause, note = excluded.note,
    opened_at = excluded.opened_at, ends_at = excluded.ends_at, trial_worker_id = NULL, trial_at = NULL;

-- name: claim_trial!
-- Let one worker try alone whether runs are possible again.
UPDATE breakers SET trial_worker_id = :worker_id, trial_at = :now WHERE kind = :kind AND provider_id = :provider_id AND name = :name;

-- name: close_breakers!
-- End what paused a worker, since a run that began after that came to its own end.
DELETE FROM breakers WHERE opened_at < :began_at AND provider_id = :provider_id
    AND ((kind = 'worker' AND name = :worker_id) OR (kind = 'account' AND name = :draws_on));

-- name: forget_breaker_of_worker!
-- Forget what paused a worker that has ended.
DELETE FROM breakers WHERE kind = 'worker' AND name = :worker_id;

-- name: close_breaker!
-- End a pause by hand.
DELETE FROM breakers WHERE kind = :kind AND provider_id = :provider_id AND name = :name;

-- name: evaluator
-- How long after a run was settled an evaluator may still judge it.
SELECT evaluator_id, attest_within_hours, changed_at FROM evaluators WHERE evaluator_id = :evaluator_id;

-- name: evaluators_page
-- How long evaluators may still judge, those of which that was said.
SELECT evaluator_id, attest_within_hours, changed_at FROM evaluators ORDER BY evaluator_id LIMIT :page;

-- name: save_evaluator!
-- Say how long an evaluator may still judge.
INSERT INTO evaluators (evaluator_id, attest_within_hours, changed_at)
VALUES (:evaluator_id, :attest_within_hours, :now)
ON CONFLICT (evaluator_id) DO UPDATE SET attest_within_hours = excluded.attest_within_hours,
    changed_at = excluded.changed_at;
