-- name: insert_bids!
-- Add bids to the book.
INSERT INTO compute_auction_bids (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status,
    pool, placed_at, sequence, time_in_force, round_id, competing, reason)
SELECT n.id, n.bidder_id, n.task_id, n.max_price_tokens, n.expected_value_usd, n.ttl_at, 'open',
    n.pool, n.placed_at, n.sequence, n.time_in_force, n.round_id, n.competing, n.reason
FROM unnest(CAST(:id AS bigint[]), CAST(:bidder_id AS text[]), CAST(:task_id AS text[]),
    CAST(:max_price_tokens AS bigint[]), CAST(:expected_value_usd AS float8[]), CAST(:ttl_at AS timestamptz[]),
    CAST(:pool AS text[]), CAST(:placed_at AS timestamptz[]), CAST(:sequence AS bigint[]),
    CAST(:time_in_force AS text[]), CAST(:round_id AS bigint[]), CAST(:competing AS bigint[]),
    CAST(:reason AS text[]))
    AS n (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, pool, placed_at, sequence,
        time_in_force, round_id, competing, reason);
