-- name: add_worker!
-- Let a worker be known, or be alive again.
INSERT INTO workers (worker_id, account_id, provider_id, draws_on, pool, seats, lease_seconds, status, registered_at,
    ends_at)
VALUES (:worker_id, :account_id, :provider_id, :draws_on, :pool, :seats, :lease_seconds, 'alive', :now, :ends_at)
ON CONFLICT (worker_id) DO UPDATE SET
    provider_id = excluded.provider_id, draws_on = excluded.draws_on, pool = excluded.pool, seats = excluded.seats,
    lease_seconds = excluded.lease_seconds, status = 'alive', registered_at = excluded.registered_at,
    ends_at = excluded.ends_at, ended_at = NULL;

-- name: lock_worker
-- Keep a worker as it is until this transaction ends.
SELECT worker_id, account_id, provider_id, draws_on, pool, seats, lease_seconds, status FROM workers
WHERE worker_id = :worker_id FOR SHARE;

-- name: lock_worker_to_end
-- Keep everybody else from a worker until this transaction ends.
SELECT worker_id, account_id, pool, status, stopped_because FROM workers WHERE worker_id = :worker_id FOR UPDATE;

-- name: end_worker!
-- Say that a worker stopped or was lost; no row is changed where it had ended.
UPDATE workers SET status = :status, ended_at = :now WHERE worker_id = :worker_id AND status = 'alive';

-- name: stop_for_good!
-- Stop a worker that does not come back by itself.
UPDATE workers SET status = 'stopped', ended_at = :now, stopped_because = :because
WHERE worker_id = :worker_id AND status = 'alive';

-- name: beat_worker!
-- Note that a worker was heard of.
INSERT INTO worker_heartbeats (worker_id, seen_at, ends_at, running)
VALUES (:worker_id, :now, :ends_at, :running)
ON CONFLICT (worker_id) DO UPDATE SET
    seen_at = excluded.seen_at, running = excluded.running,
    ends_at = CASE WHEN excluded.ends_at > worker_heartbeats.ends_at
        THEN excluded.ends_at ELSE worker_heartbeats.ends_at END;

-- name: forget_worker_heartbeats!
-- Forget when a worker was heard of.
DELETE FROM worker_heartbeats WHERE worker_id = :worker_id;

-- name: worker_end
-- When a worker counts as lost.
SELECT COALESCE(h.ends_at, w.ends_at) AS ends_at
FROM workers w LEFT JOIN worker_heartbeats h ON h.worker_id = w.worker_id
WHERE w.worker_id = :worker_id;

-- name: workers_unheard
-- Workers that count as lost by now, and have not been said to be.
SELECT w.worker_id FROM workers w LEFT JOIN worker_heartbeats h ON h.worker_id = w.worker_id
WHERE w.status = 'alive' AND COALESCE(h.ends_at, w.ends_at) <= :now
ORDER BY w.pool, w.account_id, w.worker_id LIMIT :most;

-- name: workers_page
-- Workers, those alive first and the latest first, with what they do.
SELECT w.worker_id, w.account_id, w.provider_id, w.draws_on, w.pool, w.seats, w.lease_seconds, w.status,
    w.stopped_because, w.registered_at,
    COALESCE(h.seen_at, w.registered_at) AS seen_at, w.ended_at,
    (SELECT COUNT(*) FROM leases l WHERE l.worker_id = w.worker_id AND l.status = 'live') AS running,
    (SELECT COUNT(*) FROM worker_slots s JOIN compute_auction_asks k ON k.slot_id = s.slot_id
        WHERE s.worker_id = w.worker_id AND k.status = 'open') AS on_offer
FROM workers w LEFT JOIN worker_heartbeats h ON h.worker_id = w.worker_id
ORDER BY CASE w.status WHEN 'alive' THEN 0 ELSE 1 END, w.registered_at DESC, w.worker_id LIMIT :page;

-- name: workers_alive_page
-- Workers that are alive, the latest first, with what they do.
SELECT w.worker_id, w.account_id, w.provider_id, w.draws_on, w.pool, w.seats, w.lease_seconds, w.status,
    w.stopped_because, w.registered_at,
    COALESCE(h.seen_at, w.registered_at) AS seen_at, w.ended_at,
    (SELECT COUNT(*) FROM leases l WHERE l.worker_id = w.worker_id AND l.status = 'live') AS running,
    (SELECT COUNT(*) FROM worker_slots s JOIN compute_auction_asks k ON k.slot_id = s.slot_id
        WHERE s.worker_id = w.worker_id AND k.status = 'open') AS on_offer
FROM workers w LEFT JOIN worker_heartbeats h ON h.worker_id = w.worker_id
WHERE w.status = 'alive'
ORDER BY w.registered_at DESC, w.worker_id LIMIT :page;

-- name: worker
-- A worker, with what it does.
SELECT w.worker_id, w.account_id, w.provider_id, w.draws_on, w.pool, w.seats, w.lease_seconds, w.status,
    w.stopped_because, w.registered_at,
    COALESCE(h.seen_at, w.registered_at) AS seen_at, w.ended_at,
    (SELECT COUNT(*) FROM leases l WHERE l.worker_id = w.worker_id AND l.status = 'live') AS running,
    (SELECT COUNT(*) FROM worker_slots s JOIN compute_auction_asks k ON k.slot_id = s.slot_id
        WHERE s.worker_id = w.worker_id AND k.status = 'open') AS on_offer
FROM workers w LEFT JOIN worker_heartbeats h ON h.worker_id = w.worker_id
WHERE w.worker_id = :worker_id;

-- name: add_worker_slot!
-- Remember which worker offered a slot.
INSERT INTO worker_slots (slot_id, worker_id) VALUES (:slot_id, :worker_id);

-- name: forget_worker_slots!
-- Forget which worker offered these slots.
DELETE FROM worker_slots WHERE slot_id IN each_text(:slot_ids);

-- name: slots_on_offer_of_worker
-- A worker's slots that are on offer, the latest first.
SELECT k.slot_id FROM worker_slots s JOIN compute_auction_asks k ON k.slot_id = s.slot_id
WHERE s.worker_id = :worker_id AND k.status = 'open' ORDER BY k.sequence DESC;

-- name: slots_waiting_for_worker
-- Slots of a worker that were sold and that nobody leased.
SELECT c.slot_id FROM worker_slots s JOIN compute_auction_clears c ON c.slot_id = s.slot_id
WHERE s.worker_id = :worker_id AND c.status = 'won' ORDER BY c.round_id, c.slot_id;

-- name: slots_of_ended_workers
-- Slots on offer or sold whose worker cannot run them any more.
SELECT s.slot_id, s.worker_id FROM worker_slots s JOIN workers w ON w.worker_id = s.worker_id
WHERE w.status <> 'alive' ORDER BY s.slot_id LIMIT :most;

-- name: slots_without_a_worker
-- Other won slots that nobody leased, of accounts whose last worker of that pool ended after they were won. Live slots are
-- named by their index's predicate, too, lest SQLite go through all that were ever sold.
SELECT c.slot_id, MAX(w.worker_id) AS worker_id FROM compute_auction_clears c
JOIN compute_auction_rounds r ON r.round_id = c.round_id
JOIN workers w ON w.pool = c.pool AND w.account_id IN (c.bidder_id, c.provider_id) AND w.ended_at >= r.cleared_at
WHERE c.status IN ('won', 'running') AND c.slot_finished_at IS NULL AND c.status = 'won' AND NOT EXISTS (
    SELECT 1 FROM workers a
    WHERE a.pool = c.pool AND a.status = 'alive'
        AND (a.account_id IN (c.bidder_id, c.provider_id) OR a.provider_id = c.provider_id)
)
GROUP BY c.slot_id ORDER BY c.slot_id LIMIT :most;

-- name: expire_ask!
-- Take a slot off the market whose worker is gone.
UPDATE compute_auction_asks SET status = 'expired' WHERE slot_id = :slot_id AND status = 'open';

-- name: slot_provided_waiting
-- The oldest won slot of a provider in a pool that nobody leased.
SELECT slot_id FROM compute_auction_clears
WHERE status = 'won' AND provider_id = :account_id AND provider_id <> '' AND pool = :pool ORDER BY round_id, slot_id LIMIT 1;

-- name: slot_bought_waiting
-- The oldest slot that an account bought in a pool and that nobody leased. What an account bought is little: the sum
-- keeps PostgreSQL from going through all rounds in their order instead.
SELECT slot_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND slot_finished_at IS NULL AND status = 'won'
    AND bidder_id = :account_id AND pool = :pool ORDER BY round_id + 0, slot_id LIMIT 1;

-- name: claim_slot_provided
-- The oldest won slot of a provider in a pool that no other worker is about to lease.
SELECT c.slot_id FROM compute_auction_clears c JOIN compute_auction_asks k ON k.slot_id = c.slot_id
WHERE c.status = 'won' AND c.provider_id = :account_id AND c.provider_id <> '' AND c.pool = :pool
ORDER BY c.round_id, c.slot_id LIMIT 1 FOR UPDATE OF k SKIP LOCKED;

-- name: claim_slot_bought
-- The same of the slots that an account bought.
SELECT c.slot_id FROM compute_auction_clears c JOIN compute_auction_asks k ON k.slot_id = c.slot_id
WHERE c.status IN ('won', 'running') AND c.slot_finished_at IS NULL AND c.status = 'won'
    AND c.bidder_id = :account_id AND c.pool = :pool
ORDER BY c.round_id + 0, c.slot_id LIMIT 1 FOR UPDATE OF k SKIP LOCKED;

-- name: last_fence_of_task
-- The highest fence number of a task's leases so far.
SELECT COALESCE(MAX(fence), 0) FROM leases WHERE task_id = :task_id;

-- name: fence_is_used
-- Whether a lease has this number.
SELECT 1 AS used FROM leases WHERE fence = :fence;

-- name: insert_lease!
-- Lease a run to a worker.
INSERT INTO leases (fence, run_id, source, task_id, worker_id, lease_seconds, status, leased_at, ends_at)
VALUES (:fence, :run_id, :source, :task_id, :worker_id, :lease_seconds, 'live', :leased_at, :ends_at);

-- name: lock_live_lease
-- Lock the live lease of a run.
SELECT fence, run_id, source, task_id, worker_id, lease_seconds, leased_at, ends_at FROM leases
WHERE run_id = :run_id AND status = 'live' FOR UPDATE;

-- name: lock_leases_to_renew
-- Keep live leases of a worker, or of any, from ending until this transaction ends, those that have not run out.
SELECT l.fence, l.lease_seconds FROM leases l LEFT JOIN lease_heartbeats h ON h.fence = l.fence
WHERE l.fence IN each_number(:fences) AND (:any_worker = 1 OR l.worker_id = :worker_id) AND l.status = 'live' AND COALESCE(h.ends_at, l.ends_at) > :now
ORDER BY l.fence FOR SHARE OF l;

-- name: beat_lease!
-- Let a lease live on, unless it ran out.
INSERT INTO lease_heartbeats (fence, ends_at, heartbeats, last_heartbeat_at)
VALUES (:fence, :ends_at, 1, :now)
ON CONFLICT (fence) DO UPDATE SET
    heartbeats = lease_heartbeats.heartbeats + 1, last_heartbeat_at = excluded.last_heartbeat_at,
    ends_at = CASE WHEN excluded.ends_at > lease_heartbeats.ends_at
        THEN excluded.ends_at ELSE lease_heartbeats.ends_at END
WHERE lease_heartbeats.ends_at > :now;

-- name: note_step!
-- Note how far a run has come; what was noted before stays.
UPDATE lease_heartbeats SET
    started_at = COALESCE(started_at, :started_at), exited_at = COALESCE(exited_at, :exited_at),
    metered_at = COALESCE(metered_at, :metered_at),
    exit_note = CASE WHEN exit_note = '' THEN :exit_note ELSE exit_note END,
    usage_note = CASE WHEN usage_note = '' THEN :usage_note ELSE usage_note END
WHERE fence = :fence;

-- name: heartbeats_of
-- What a lease was heard to say.
SELECT ends_at, heartbeats, last_heartbeat_at, started_at, exited_at, metered_at, exit_note, usage_note
FROM lease_heartbeats WHERE fence = :fence;

-- name: forget_heartbeats!
-- Forget what a lease was heard to say.
DELETE FROM lease_heartbeats WHERE fence = :fence;

-- name: end_lease!
-- End a live lease, and write down what it was heard to say; no row is changed where it had ended.
UPDATE leases SET status = :status, ended_at = :now, heartbeats = :heartbeats,
    last_heartbeat_at = :last_heartbeat_at, started_at = :started_at, exited_at = :exited_at,
    metered_at = :metered_at, exit_note = :exit_note, usage_note = :usage_note
WHERE fence = :fence AND status = 'live';

-- name: leases_run_out
-- Live leases that have run out.
SELECT l.fence, l.run_id, l.source FROM leases l LEFT JOIN lease_heartbeats h ON h.fence = l.fence
WHERE l.status = 'live' AND COALESCE(h.ends_at, l.ends_at) <= :now ORDER BY l.ends_at, l.fence LIMIT :most;

-- name: lease
-- One lease as it stands.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
WHERE l.fence = :fence;

-- name: leases_of_run
-- The leases of a run as they stand, in order.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
WHERE l.run_id = :run_id ORDER BY l.fence;

-- name: leases_page
-- Leases, the latest first.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
ORDER BY l.leased_at DESC, l.fence DESC LIMIT :page;

-- name: leases_of_worker_page
-- Leases of a worker, the latest first.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
WHERE l.worker_id = :worker_id ORDER BY l.leased_at DESC, l.fence DESC LIMIT :page;

-- name: live_leases_page
-- Leases that live, the latest first; found before they are put in order, lest SQLite go through all there ever were.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
WHERE l.fence IN (SELECT f.fence FROM leases f WHERE f.status = 'live')
ORDER BY l.leased_at DESC, l.fence DESC LIMIT :page;

-- name: live_leases_of_worker_page
-- Leases of a worker that live, the latest first.
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, l.account_id, l.lease_seconds, l.status, l.leased_at, l.ends_at,
    l.ended_at, l.heartbeats, l.last_heartbeat_at, l.started_at, l.exited_at, l.metered_at, l.exit_note, l.usage_note
FROM lease_states l
WHERE l.worker_id = :worker_id AND l.status = 'live' ORDER BY l.leased_at DESC, l.fence DESC LIMIT :page;

-- name: run_of_slot
-- What a worker has to know of a sold slot; what the floor gave away has no bid.
SELECT c.slot_id, c.winning_task_id, c.pool, k.token_allowance, k.max_seconds,
    COALESCE(b.expected_value_usd, t.expected_value_usd) AS expected_value_usd,
    t.quest_id, t.title, t.payload
FROM compute_auction_clears c
JOIN compute_auction_asks k ON k.slot_id = c.slot_id
LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
LEFT JOIN tasks t ON t.task_id = c.winning_task_id
WHERE c.slot_id = :slot_id;
