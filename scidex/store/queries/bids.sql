-- name: open_bids_of
-- Open bids of bidders in pools, for the given rounds (0: those that rest), suspended ones among them.
SELECT id, bidder_id, pool, task_id, round_id, max_price_tokens, expected_value_usd, ttl_at, reason, sequence,
    for_backlog
FROM compute_auction_bids
WHERE status = 'open' AND reason <> 'suspended' AND bidder_id IN each_text(:bidder_ids)
    AND pool IN each_text(:pools) AND round_id IN each_number(:round_ids)
UNION ALL
SELECT id, bidder_id, pool, task_id, round_id, max_price_tokens, expected_value_usd, ttl_at, reason, sequence,
    for_backlog
FROM compute_auction_bids
WHERE status = 'open' AND reason = 'suspended' AND bidder_id IN each_text(:bidder_ids) AND pool IN each_text(:pools);

-- name: insert_bids!
-- Add bids to the book.
INSERT INTO compute_auction_bids (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status,
    pool, placed_at, sequence, time_in_force, round_id, competing, reason, for_backlog)
VALUES (:id, :bidder_id, :task_id, :max_price_tokens, :expected_value_usd, :ttl_at, 'open',
    :pool, :placed_at, :sequence, :time_in_force, :round_id, :competing, :reason, :for_backlog);

-- name: amend_bids!
-- Give open bids new terms.
UPDATE compute_auction_bids SET max_price_tokens = :max_price_tokens, expected_value_usd = :expected_value_usd,
    ttl_at = :ttl_at, placed_at = :placed_at, sequence = :sequence, time_in_force = :time_in_force,
    round_id = :round_id, competing = :competing, reason = :reason, for_backlog = :for_backlog
WHERE id = :id;

-- name: close_bids!
-- End open bids that were not sold.
UPDATE compute_auction_bids SET status = :status, competing = 0, reason = :reason WHERE id = :id;

-- name: set_competing!
-- Let open bids compete, or not, and say why.
UPDATE compute_auction_bids SET competing = :competing, reason = :reason
WHERE id = :id AND status = 'open' AND round_id = :round_id;

-- name: pools_with_bids_for
-- Pools in which bids for a task are open.
SELECT DISTINCT b.pool FROM compute_auction_bids b JOIN compute_auction_pools p ON p.pool = b.pool
WHERE b.status = 'open' AND b.task_id IN each_text(:task_ids) AND (b.round_id = 0 OR b.round_id = p.open_round_id);

-- name: sell_resting_bids!
-- Move resting bids that won into the round that sold them.
UPDATE compute_auction_bids SET status = 'won', round_id = :round_id, competing = 1, reason = '' WHERE id = :id;

-- name: count_bids!
-- Count bids into, or out of, a stripe of a pool's book.
INSERT INTO compute_auction_book_counts (pool, stripe, round_id, round_bids, resting_bids)
VALUES (:pool, :stripe, :round_id, :round_bids, :resting_bids)
ON CONFLICT (pool, stripe) DO UPDATE SET
    round_bids = CASE WHEN compute_auction_book_counts.round_id = excluded.round_id
        THEN compute_auction_book_counts.round_bids ELSE 0 END + excluded.round_bids,
    resting_bids = compute_auction_book_counts.resting_bids + excluded.resting_bids,
    round_id = excluded.round_id;

-- name: uncount_bids!
-- Count bids out of a stripe of a pool's book.
UPDATE compute_auction_book_counts SET
    round_bids = CASE WHEN round_id = :round_id THEN round_bids ELSE 0 END - :round_bids,
    resting_bids = resting_bids - :resting_bids,
    round_id = :round_id
WHERE pool = :pool AND stripe = :stripe;

-- name: book_sizes
-- How many open bids a pool's book has, and how many rest in any book.
SELECT
    CAST(COALESCE(SUM(CASE WHEN pool = :pool THEN
        CASE WHEN round_id = :round_id THEN round_bids ELSE 0 END + resting_bids ELSE 0 END), 0) AS BIGINT) AS bids,
    CAST(COALESCE(SUM(resting_bids), 0) AS BIGINT) AS resting_bids
FROM compute_auction_book_counts;

-- name: book_range
-- The best bids of a pool that may compete in a round (0: those that rest), best first.
SELECT b.id, b.bidder_id, a.owner_id, b.task_id, b.max_price_tokens, b.sequence, b.expected_value_usd,
    -- Asked for each bid, and not joined: a planner that saw few slots sold would go through all of them for each bid.
    (SELECT c.slot_id FROM compute_auction_clears c
        WHERE c.winning_task_id = b.task_id AND c.status IN ('won', 'running'))
FROM compute_auction_bids b
JOIN token_accounts a ON a.account_id = b.bidder_id
WHERE b.pool = :pool AND b.round_id = :round_id AND b.competing = 1 AND b.ttl_at > :now
ORDER BY b.max_price_tokens DESC, b.sequence LIMIT :most;

-- name: followers_for_tasks
-- The resting bids of a pool that follow a better one for their tasks.
SELECT b.id, b.bidder_id, a.owner_id, b.task_id, b.max_price_tokens, b.sequence, b.expected_value_usd
FROM compute_auction_bids b
JOIN token_accounts a ON a.account_id = b.bidder_id
WHERE b.pool = :pool AND b.round_id = 0 AND b.status = 'open' AND b.competing = 0 AND b.reason = 'superseded'
    AND b.task_id IN each_text(:task_ids) AND b.ttl_at > :now;

-- name: book_range_of_cleared
-- The best bids of a pool that competed in a cleared round, resting winners among them.
SELECT b.id, b.bidder_id, a.owner_id, b.task_id, b.max_price_tokens, b.sequence, b.expected_value_usd,
    CASE WHEN b.time_in_force = 'gtt' THEN 1 ELSE 0 END
FROM compute_auction_bids b
JOIN token_accounts a ON a.account_id = b.bidder_id
WHERE b.pool = :pool AND b.round_id = :round_id AND b.competing = 1 AND b.ttl_at > :now
ORDER BY b.max_price_tokens DESC, b.sequence LIMIT :most;

-- name: expired_bids
-- Open bids of a pool and round (0: those that rest) whose time to live has passed, the longest ago first: in the order
-- of their index, since a planner would walk all bids by their ids for an order by these.
SELECT id, bidder_id, pool, task_id, round_id, reason FROM compute_auction_bids
WHERE status = 'open' AND id > 0 AND pool = :pool AND round_id = :round_id AND ttl_at <= :now
ORDER BY ttl_at, id;

-- name: bid
-- One bid as it stands.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bid_states WHERE id = :id;

-- name: open_bids_page
-- An account's open bids, the dearest first, those behind one of them (0: all).
SELECT s.id, s.bidder_id, s.task_id, s.max_price_tokens, s.expected_value_usd, s.ttl_at, s.status, s.pool, s.placed_at,
    s.sequence, s.time_in_force, s.round_id, s.reason
FROM compute_auction_bids b JOIN compute_auction_bid_states s ON s.id = b.id
WHERE b.status = 'open' AND s.status = 'open' AND b.bidder_id = :bidder_id AND s.ttl_at > :now
    AND (CAST(:after AS BIGINT) = 0 OR (-s.max_price_tokens, s.sequence) > (
        SELECT -past.max_price_tokens, past.sequence FROM compute_auction_bids past WHERE past.id = :after))
ORDER BY s.max_price_tokens DESC, s.sequence LIMIT :page;

-- name: bids_of_round
-- The bids that competed in a round, best first, as they stand, those behind one of them (0: all).
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bid_states
WHERE pool = :pool AND round_id = :round_id AND competing = 1
    AND (CAST(:after AS BIGINT) = 0 OR (-max_price_tokens, sequence) > (
        SELECT -past.max_price_tokens, past.sequence FROM compute_auction_bids past WHERE past.id = :after))
ORDER BY max_price_tokens DESC, sequence LIMIT :page;

-- name: bids_of_task
-- The bids for a task as they stand, newest first, those before one of them.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bid_states WHERE task_id = :task_id AND id < :before
ORDER BY id DESC LIMIT :page;

-- name: bids_by_id
-- Bids as they are stored.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bids WHERE id IN each_number(:ids);

-- name: tasks_that_bar
-- The states of these tasks where the backlog knows them, locked against change until this has committed.
SELECT task_id, status FROM tasks WHERE task_id IN each_text(:task_ids) FOR SHARE;

-- name: live_tasks
-- Those of these tasks that hold a slot now.
SELECT winning_task_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND winning_task_id IN each_text(:task_ids);

-- name: open_bids_for_tasks
-- Open bids for tasks that rest, and if asked those for the open round of their pool; best first.
SELECT b.id, b.task_id, b.pool, b.round_id, b.bidder_id, b.max_price_tokens, b.sequence, b.competing, b.reason
FROM compute_auction_bids b JOIN compute_auction_pools p ON p.pool = b.pool
WHERE b.status = 'open' AND b.task_id IN each_text(:task_ids) AND (b.round_id = 0 OR (:round_bids_too = 1 AND b.round_id = p.open_round_id))
ORDER BY b.task_id, b.pool, b.max_price_tokens DESC, b.sequence;

-- name: decided_bids
-- Bids that a cleared round decided and whose stored status still says open.
SELECT s.id, s.status FROM compute_auction_bids b
JOIN compute_auction_bid_states s ON s.id = b.id
WHERE b.status = 'open' AND b.id > 0 AND b.pool = :pool AND b.round_id > 0 AND b.round_id < :open_round_id
ORDER BY b.round_id, b.ttl_at, b.id LIMIT :most;

-- name: write_status!
-- Write down what a cleared round decided.
UPDATE compute_auction_bids SET status = :status WHERE id = :id;
