-- name: claims_and_impacts
-- What each bidder claimed of the slots it won and settled, and what impact was attested, or was none.
SELECT c.bidder_id, COALESCE(b.expected_value_usd, g.claimed_usd) AS claimed_usd, c.actual_impact AS realised_usd
FROM compute_auction_clears c LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
LEFT JOIN floor_gifts g ON g.slot_id = c.slot_id
WHERE c.status = 'settled' AND c.actual_impact IS NOT NULL AND c.slot_finished_at <= :now
    AND (c.attested_by IS NOT NULL OR c.actual_impact <= 0)
ORDER BY c.bidder_id, c.bid_id;
