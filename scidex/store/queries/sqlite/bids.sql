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
