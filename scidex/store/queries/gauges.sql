-- name: pool_gauges
-- Each pool's rounds so far, the bids of its book, its slots on offer, and those sold that are not settled.
SELECT p.pool,
    (SELECT COUNT(*) FROM compute_auction_rounds r WHERE r.pool = p.pool) AS rounds,
    CAST(COALESCE((
        SELECT SUM(CASE WHEN k.round_id = p.open_round_id THEN k.round_bids ELSE 0 END + k.resting_bids)
        FROM compute_auction_book_counts k WHERE k.pool = p.pool
    ), 0) AS BIGINT) AS open_bids,
    (SELECT COUNT(*) FROM compute_auction_asks a WHERE a.pool = p.pool AND a.status = 'open') AS open_slots
FROM compute_auction_pools p ORDER BY p.pool;

-- name: live_slot_gauges
-- Slots sold that are not settled, and since when the oldest of them was sold.
SELECT c.pool, c.status, COUNT(*) AS slots, MIN(r.cleared_at) AS oldest_at
FROM compute_auction_clears c JOIN compute_auction_rounds r ON r.round_id = c.round_id
WHERE c.status IN ('won', 'running')
GROUP BY c.pool, c.status ORDER BY c.pool, c.status;

-- name: lease_gauges
-- Leases that live, since when the oldest does, and how long ago the one longest silent was heard of.
SELECT w.pool, COUNT(*) AS leases, MIN(l.leased_at) AS oldest_at,
    MIN(COALESCE(h.last_heartbeat_at, l.leased_at)) AS heard_at
FROM leases l JOIN workers w ON w.worker_id = l.worker_id LEFT JOIN lease_heartbeats h ON h.fence = l.fence
WHERE l.status = 'live' GROUP BY w.pool ORDER BY w.pool;

-- name: task_gauges
-- Tasks in each state.
SELECT pool, status, COUNT(*) AS tasks FROM tasks GROUP BY pool, status ORDER BY pool, status;
