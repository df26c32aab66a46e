-- name: count_better
-- How many bids of a round (0: those that rest) stood before this price and arrival.
SELECT COUNT(*) FROM compute_auction_bids
WHERE pool = :pool AND round_id = :round_id AND competing = 1 AND ttl_at > :now
    AND (max_price_tokens > :price OR (max_price_tokens = :price AND sequence < :sequence));

-- name: count_better_for_task
-- How many bids for the same task stood before this one in its round, resting winners among them.
SELECT COUNT(*) FROM compute_auction_bids
WHERE task_id = :task_id AND pool = :pool AND round_id = :round_id AND competing = 1 AND ttl_at > :now
    AND (max_price_tokens > :price OR (max_price_tokens = :price AND sequence < :sequence));

-- name: lowest_winning_bids
-- The lowest bid that won in a round, and the one above it; what the floor gave away had none.
SELECT (SELECT max_price_tokens FROM compute_auction_clears WHERE round_id = :round_id AND bid_id > 0
        ORDER BY max_price_tokens LIMIT 1) AS lowest,
    (SELECT max_price_tokens FROM compute_auction_clears WHERE round_id = :round_id AND bid_id > 0
        ORDER BY max_price_tokens LIMIT 1 OFFSET 1) AS second;

-- name: clear_of_bid
-- What a winning bid came to pay.
SELECT slot_id, clearing_price_tokens FROM compute_auction_clears WHERE bid_id = :bid_id;

-- name: prices_to_win
-- What recent rounds of a pool sold, offered and left, newest first.
SELECT r.round_id, r.slots, r.sold, r.book,
    (SELECT MIN(c.max_price_tokens) FROM compute_auction_clears c WHERE c.round_id = r.round_id
        AND c.bid_id > 0) AS lowest,
    (SELECT c.max_price_tokens FROM compute_auction_clears c WHERE c.round_id = r.round_id AND c.bid_id > 0
        ORDER BY c.max_price_tokens LIMIT 1 OFFSET 1) AS second
FROM compute_auction_rounds r
WHERE r.pool = :pool AND r.cleared_at <= :now
ORDER BY r.cleared_at DESC, r.round_id DESC LIMIT :page;

-- name: best_prices
-- The best prices in a pool's book, best first.
SELECT max_price_tokens FROM compute_auction_bids
WHERE pool = :pool AND round_id IN (0, :round_id) AND competing = 1 AND ttl_at > :now
ORDER BY max_price_tokens DESC LIMIT :most;
