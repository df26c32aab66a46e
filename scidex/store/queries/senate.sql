-- name: claims_and_impacts
-- What each bidder claimed of the slots of its that were judged, and what they realised.
SELECT c.bidder_id, COALESCE(b.expected_value_usd, g.claimed_usd) AS claimed_usd, c.actual_impact AS realised_usd
FROM compute_auction_clears c LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
LEFT JOIN floor_gifts g ON g.slot_id = c.slot_id
WHERE c.judged_at <= :now
ORDER BY c.bidder_id, c.bid_id;
