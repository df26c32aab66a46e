-- name: open_prices
-- Prices of the open bids of bidders in pools by round, as JSON; those that hold nothing are left out.
SELECT x.value AS bidder_id, r.pool, r.round_id, (
    SELECT json_group_array(b.max_price_tokens) FROM compute_auction_bids b
    WHERE b.bidder_id = x.value AND b.pool = r.pool AND b.round_id = r.round_id
        AND b.status = 'open' AND b.reason <> 'suspended'
) AS prices
FROM json_each(:bidder_ids) x
CROSS JOIN (
    SELECT pool, 0 AS round_id FROM compute_auction_pools
    UNION ALL
    SELECT pool, open_round_id FROM compute_auction_pools
) AS r
WHERE r.pool IN each_text(:pools);

-- name: standing_bids
-- The open bids of bidders for tasks in pools, given as JSON triples of the three.
SELECT b.id, b.bidder_id, b.pool, b.task_id, b.round_id, b.max_price_tokens, b.sequence, b.reason
FROM json_each(:triples) w
CROSS JOIN compute_auction_pools p ON p.pool = json_extract(w.value, '$[1]')
CROSS JOIN compute_auction_bids b ON b.task_id = json_extract(w.value, '$[2]') AND b.pool = p.pool
    AND b.round_id IN (0, p.open_round_id) AND b.bidder_id = json_extract(w.value, '$[0]')
WHERE b.status = 'open';

-- name: ground_of_bid
-- What decides one bid for a pool's open round, where its bidder has none that rest: the pool, the bar on the task, the
-- bid that stands, the prices beside it, and the wallet, on a row for each pool in which that sets something aside.
SELECT p.mechanism, p.open_round_id AS bid_round_id, a.account_id, a.kind, a.owner_id, a.balance_tokens, a.held_tokens,
    a.entries, h.pool, h.round_id, h.round_tokens, h.resting_tokens, h.suspended_bids, o.open_round_id,
    (SELECT status FROM tasks WHERE task_id = :task_id) AS task_status,
    (SELECT 1 FROM compute_auction_clears
        WHERE winning_task_id = :task_id AND status IN ('won', 'running')) AS task_is_live,
    (SELECT json_group_array(b.max_price_tokens) FROM compute_auction_bids b
        WHERE b.bidder_id = :bidder_id AND b.pool = p.pool AND b.round_id = p.open_round_id
            AND b.status = 'open' AND b.reason <> 'suspended') AS prices,
    s.id AS standing_id, s.max_price_tokens AS standing_price_tokens, s.sequence AS standing_sequence,
    MAX((SELECT last_number FROM number_series WHERE series = 'bid_numbers'),
        (SELECT COALESCE(MAX(id), 0) FROM compute_auction_bids)) + 1 AS next_number
FROM compute_auction_pools p
CROSS JOIN token_accounts a
LEFT JOIN token_bid_holds h ON h.account_id = a.account_id
LEFT JOIN compute_auction_pools o ON o.pool = h.pool
LEFT JOIN compute_auction_bids s ON s.task_id = :task_id AND s.pool = p.pool AND s.round_id = p.open_round_id
    AND s.bidder_id = a.account_id AND s.status = 'open'
WHERE p.pool = :pool AND a.account_id = :bidder_id;
