-- name: open_prices
-- Prices of the open bids of bidders in pools by round, as JSON; those that hold nothing are left out.
SELECT b.bidder_id, b.pool, b.round_id, json_group_array(b.max_price_tokens) AS prices
FROM compute_auction_pools p
CROSS JOIN compute_auction_bids b ON b.pool = p.pool AND b.round_id IN (0, p.open_round_id)
WHERE b.status = 'open' AND b.reason <> 'suspended' AND b.bidder_id IN each_text(:bidder_ids)
    AND p.pool IN each_text(:pools)
GROUP BY b.bidder_id, b.pool, b.round_id;

-- name: standing_bids
-- The open bids of bidders for tasks in pools, given as JSON triples of the three.
SELECT b.id, b.bidder_id, b.pool, b.task_id, b.round_id, b.max_price_tokens, b.sequence, b.reason
FROM json_each(:triples) w
CROSS JOIN compute_auction_pools p ON p.pool = json_extract(w.value, '$[1]')
CROSS JOIN compute_auction_bids b ON b.task_id = json_extract(w.value, '$[2]') AND b.pool = p.pool
    AND b.round_id IN (0, p.open_round_id) AND b.bidder_id = json_extract(w.value, '$[0]')
WHERE b.status = 'open';
