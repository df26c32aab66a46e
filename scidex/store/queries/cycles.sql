-- name: add_cycle!
-- Begin to keep a pool's cycle.
INSERT INTO market_cycles (pool, interval_seconds, expected_from_at, next_cycle_at, mode, mode_since_at, mode_reason)
VALUES (:pool, :interval_seconds, :expected_from_at, :next_cycle_at, 'auction', :expected_from_at, '')
ON CONFLICT (pool) DO NOTHING;

-- name: lock_cycle
-- Lock a pool's cycle.
SELECT pool FROM market_cycles WHERE pool = :pool FOR UPDATE;

-- name: cycle
-- A pool's cycle, and when its last round was cleared.
SELECT p.pool, p.created_at, c.paused, c.interval_seconds, c.expected_from_at,
    c.last_cycle_at, c.next_cycle_at, COALESCE(c.missed, 0) AS missed, COALESCE(c.mode, 'auction') AS mode,
    COALESCE(c.mode_since_at, p.created_at) AS mode_since_at, COALESCE(c.mode_reason, '') AS mode_reason,
    (SELECT MAX(r.cleared_at) FROM compute_auction_rounds r WHERE r.pool = p.pool) AS last_round_at
FROM compute_auction_pools p LEFT JOIN market_cycles c ON c.pool = p.pool
WHERE p.pool = :pool;

-- name: advance_cycle!
-- Take a pool's cycle that is due, and say when the next one is.
UPDATE market_cycles SET interval_seconds = :interval_seconds, next_cycle_at = :next_cycle_at,
    missed = missed + :missed
WHERE pool = :pool AND next_cycle_at <= :now;

-- name: note_cycle!
-- Note that a pool's cycle has completed.
UPDATE market_cycles SET last_cycle_at = :now WHERE pool = :pool;

-- name: pause_cycle!
-- Hold a pool's cycle; no row is changed where it is held already.
UPDATE market_cycles SET paused = 1 WHERE pool = :pool AND paused = 0;

-- name: resume_cycle!
-- Let a pool's cycle go on from now; no row is changed where it is not held.
UPDATE market_cycles SET paused = 0, expected_from_at = :now, next_cycle_at = :now WHERE pool = :pool AND paused = 1;

-- name: set_mode!
-- Let a pool's agents go by the auction, or by the fallback.
UPDATE market_cycles SET mode = :mode, mode_since_at = :now, mode_reason = :reason WHERE pool = :pool;

-- name: append_mode_switch!
-- Keep every change between the auction and the fallback.
INSERT INTO market_mode_switches (pool, ordinal, mode, reason, switched_at)
VALUES (:pool, (SELECT COUNT(*) + 1 FROM market_mode_switches WHERE pool = :pool), :mode, :reason, :now);

-- name: mode_switches_page
-- A pool's changes between the auction and the fallback, newest first.
SELECT pool, ordinal, mode, reason, switched_at FROM market_mode_switches
WHERE pool = :pool AND ordinal < :before ORDER BY ordinal DESC LIMIT :page;
