-- name: pool_gauges
-- The bids of each pool's book, and its slots on offer.
SELECT p.pool,
    CAST(COALESCE((
        SELECT SUM(CASE WHEN k.round_id = p.open_round_id THEN k.round_bids ELSE 0 END + k.resting_bids)
        FROM compute_auction_book_counts k WHERE k.pool = p.pool
    ), 0) AS BIGINT) AS open_bids,
    (SELECT COUNT(*) FROM compute_auction_asks a WHERE a.pool = p.pool AND a.status = 'open') AS open_slots
FROM compute_auction_pools p ORDER BY p.pool;

-- name: rounds_after
-- How many rounds of a pool came after one of them, and the last of these.
SELECT COUNT(*) AS rounds, MAX(round_id) AS last_round FROM compute_auction_rounds
WHERE pool = :pool AND round_id > :round_id;

-- name: day_gauges
-- The slots that were offered to a pool's rounds since an instant, those sold, and the last price there was.
SELECT CAST(COALESCE(SUM(slots), 0) AS BIGINT) AS offered, CAST(COALESCE(SUM(sold), 0) AS BIGINT) AS sold,
    (SELECT p.clearing_price_tokens FROM compute_auction_rounds p
        WHERE p.pool = :pool AND p.cleared_at > :since_at AND p.cleared_at <= :now
            AND p.clearing_price_tokens IS NOT NULL
        ORDER BY p.cleared_at DESC, p.round_id DESC LIMIT 1) AS last_price_tokens
FROM compute_auction_rounds WHERE pool = :pool AND cleared_at > :since_at AND cleared_at <= :now;

-- name: book_gauges
-- What was minted less what was burnt, what is held, and how many accounts there are.
SELECT
    (SELECT COUNT(*) FROM token_accounts) AS accounts,
    (SELECT CAST(COALESCE(-SUM(balance_tokens), 0) AS BIGINT) FROM token_accounts
        WHERE account_id = 'system:issuance') AS minted_tokens,
    (SELECT CAST(COALESCE(SUM(held_tokens), 0) AS BIGINT) FROM token_wallets) AS held_tokens;

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
-- Tasks that are not over, in each state.
SELECT pool, status, COUNT(*) AS tasks FROM tasks WHERE status NOT IN ('done', 'failed')
GROUP BY pool, status ORDER BY pool, status;

-- name: ended_task_gauges
-- Tasks that are over since an instant, by how they ended.
SELECT pool, status, COUNT(*) AS tasks FROM tasks WHERE status IN ('done', 'failed') AND updated_at > :since_at
GROUP BY pool, status ORDER BY pool, status;

-- name: richest_wallets
-- Wallets of people and programs, the fullest first.
SELECT account_id, kind, owner_id, balance_tokens AS balance, held_tokens AS held FROM token_wallets
WHERE kind <> 'system' ORDER BY balance_tokens DESC, account_id LIMIT :page;

-- name: system_wallets
-- The market's own wallets.
SELECT account_id, kind, owner_id, balance_tokens AS balance, held_tokens AS held FROM token_wallets
WHERE kind = 'system' ORDER BY account_id;

-- name: fleet_totals
-- What all workers together are, run and offer.
SELECT
    (SELECT COUNT(*) FROM workers WHERE status = 'alive') AS alive,
    (SELECT COUNT(*) FROM workers WHERE status = 'lost') AS lost,
    (SELECT CAST(COALESCE(SUM(seats), 0) AS BIGINT) FROM workers WHERE status = 'alive') AS seats,
    (SELECT COUNT(*) FROM leases WHERE status = 'live') AS running,
    (SELECT COUNT(*) FROM worker_slots s JOIN compute_auction_asks k ON k.slot_id = s.slot_id
        WHERE k.status = 'open') AS on_offer,
    (SELECT COUNT(*) FROM workers) AS workers;

-- name: income_by_day
-- What a pool paid as income on each day, newest first.
SELECT day, CAST(SUM(base_tokens) AS BIGINT) AS base_tokens, CAST(SUM(impact_tokens) AS BIGINT) AS impact_tokens,
    CAST(SUM(garnished_tokens) AS BIGINT) AS garnished_tokens, CAST(SUM(burnt_tokens) AS BIGINT) AS burnt_tokens
FROM income_shares WHERE pool = :pool GROUP BY day ORDER BY day DESC LIMIT :page;

-- name: income_paid_on
-- What each account got of a pool's income on a day.
SELECT account_id, base_tokens, impact_tokens FROM income_shares WHERE pool = :pool AND day = :day;

-- name: endings_since
-- How many runs ended since an instant, by how they ended.
SELECT ending, COUNT(*) AS runs FROM run_endings WHERE ended_at > :since_at GROUP BY ending ORDER BY ending;

-- name: endings_of_runs
-- How these runs ended.
SELECT run_id, ending, cause FROM run_endings WHERE run_id IN each_text(:run_ids);

-- name: tasks_that_need_a_word
-- How many tasks have failed for good, and how many are held, of all pools.
SELECT
    (SELECT COUNT(*) FROM tasks WHERE status = 'failed') AS failed,
    (SELECT COUNT(*) FROM tasks WHERE status = 'held') AS held;
