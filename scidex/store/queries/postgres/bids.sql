-- name: insert_bids!
-- Add bids to the book.
INSERT INTO compute_auction_bids (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status,
    pool, placed_at, sequence, time_in_force, round_id, competing, reason, for_backlog)
SELECT n.id, n.bidder_id, n.task_id, n.max_price_tokens, n.expected_value_usd, n.ttl_at, 'open',
    n.pool, n.placed_at, n.sequence, n.time_in_force, n.round_id, n.competing, n.reason, n.for_backlog
FROM unnest(CAST(:id AS bigint[]), CAST(:bidder_id AS text[]), CAST(:task_id AS text[]),
    CAST(:max_price_tokens AS bigint[]), CAST(:expected_value_usd AS float8[]), CAST(:ttl_at AS timestamptz[]),
    CAST(:pool AS text[]), CAST(:placed_at AS timestamptz[]), CAST(:sequence AS bigint[]),
    CAST(:time_in_force AS text[]), CAST(:round_id AS bigint[]), CAST(:competing AS bigint[]),
    CAST(:reason AS text[]), CAST(:for_backlog AS bigint[]))
    AS n (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, pool, placed_at, sequence,
        time_in_force, round_id, competing, reason, for_backlog);

-- name: open_prices
-- Prices of the open bids of bidders in pools by round, as JSON; those that hold nothing are left out.
SELECT x.bidder_id, p.pool, r.round_id, (
    SELECT CAST(json_agg(b.max_price_tokens) AS text) FROM compute_auction_bids b
    WHERE b.bidder_id = x.bidder_id AND b.pool = p.pool AND b.round_id = r.round_id
        AND b.status = 'open' AND b.reason <> 'suspended'
) AS prices
FROM unnest(CAST(:bidder_ids AS text[])) AS x (bidder_id)
CROSS JOIN compute_auction_pools p
CROSS JOIN LATERAL (VALUES (0), (p.open_round_id)) AS r (round_id)
WHERE p.pool = ANY (CAST(:pools AS text[]));

-- name: standing_bids
-- The open bids of bidders for tasks in pools, given as JSON triples of the three.
SELECT b.id, b.bidder_id, b.pool, b.task_id, b.round_id, b.max_price_tokens, b.sequence, b.reason
FROM json_array_elements(CAST(:triples AS json)) AS w (value)
JOIN compute_auction_pools p ON p.pool = w.value ->> 1
CROSS JOIN LATERAL (VALUES (0), (p.open_round_id)) AS r (round_id)
CROSS JOIN LATERAL (
    -- There is at most one; the limit says so to the planner, who then looks each up by the index.
    SELECT * FROM compute_auction_bids
    WHERE task_id = w.value ->> 2 AND pool = p.pool AND round_id = r.round_id AND bidder_id = w.value ->> 0
        AND status = 'open'
    LIMIT 1
) AS b;
