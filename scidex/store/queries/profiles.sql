-- name: settings_of_pools
-- What these pools were configured with; one without a row was not.
SELECT pool, profile, settings, changed_at FROM market_settings WHERE pool IN each_text(:pools);

-- name: save_settings!
-- Configure a pool.
INSERT INTO market_settings (pool, profile, settings, changed_at)
VALUES (:pool, :profile, :settings, :changed_at)
ON CONFLICT (pool) DO UPDATE SET profile = excluded.profile, settings = excluded.settings,
    changed_at = excluded.changed_at;

-- name: set_tie_rule!
-- Set who wins a pool's ties, from its open round on.
UPDATE compute_auction_pools SET tie_rule = :tie_rule WHERE pool = :pool;

-- name: rounds_of_pool
-- How many rounds a pool has cleared.
SELECT COUNT(*) FROM compute_auction_rounds WHERE pool = :pool;

-- name: pacing_of
-- The shares of value that these quests bid, by pool.
SELECT quest_id, pool, alpha, target_tokens, round_id FROM quest_pacing WHERE quest_id IN each_text(:quest_ids);

-- name: save_pacing!
-- Store the share of value that a quest bids in a pool.
INSERT INTO quest_pacing (quest_id, pool, alpha, target_tokens, round_id, updated_at)
VALUES (:quest_id, :pool, :alpha, :target_tokens, :round_id, :updated_at)
ON CONFLICT (quest_id, pool) DO UPDATE SET alpha = excluded.alpha, target_tokens = excluded.target_tokens,
    round_id = excluded.round_id, updated_at = excluded.updated_at;

-- name: rounds_between
-- How many rounds of a pool have cleared from one on and before another.
SELECT COUNT(*) FROM compute_auction_rounds
WHERE pool = :pool AND round_id >= :first_round_id AND round_id < :open_round_id;

-- name: spent_between
-- What an account came to owe for slots of a pool's rounds from one on and before another.
SELECT CAST(COALESCE(SUM(clearing_price_tokens), 0) AS BIGINT) FROM compute_auction_clears
WHERE pool = :pool AND bidder_id = :account_id AND status <> 'voided'
    AND round_id >= :first_round_id AND round_id < :open_round_id;

-- name: accounts_of_quests
-- The accounts that quests bid from.
SELECT DISTINCT account_id FROM quests ORDER BY account_id;

-- name: newest_verdicts
-- What a bidder claimed of the slots of its that were judged, settled last, and what they realised; newest first.
SELECT COALESCE(b.expected_value_usd, g.claimed_usd) AS claimed_usd, c.actual_impact AS realised_usd,
    c.slot_finished_at, c.attest_ends_at, c.judged_at
FROM compute_auction_clears c LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
LEFT JOIN floor_gifts g ON g.slot_id = c.slot_id
WHERE c.judged_at IS NOT NULL AND c.bidder_id = :bidder_id AND c.slot_finished_at <= :now
ORDER BY c.slot_finished_at DESC, c.bid_id DESC LIMIT :most;

-- name: open_verdicts
-- A bidder's settled slots that may still be judged, those whose time ends first.
SELECT slot_finished_at, attest_ends_at FROM compute_auction_clears
WHERE status = 'settled' AND judged_at IS NULL AND bidder_id = :bidder_id AND attest_ends_at > :now
ORDER BY attest_ends_at LIMIT :most;

-- name: calibrations_in
-- What bidders' claims were last taken to be worth in these pools.
SELECT pool, bidder_id, slope, intercept FROM bidder_calibrations WHERE pool IN each_text(:pools);

-- name: calibration_of
-- What a bidder's claims were last taken to be worth in a pool.
SELECT slope, intercept FROM bidder_calibrations WHERE pool = :pool AND bidder_id = :bidder_id;

-- name: save_calibrations!
-- Store what bidders' claims were taken to be worth.
INSERT INTO bidder_calibrations (pool, bidder_id, slope, intercept, updated_at)
VALUES (:pool, :bidder_id, :slope, :intercept, :updated_at)
ON CONFLICT (pool, bidder_id) DO UPDATE SET slope = excluded.slope, intercept = excluded.intercept,
    updated_at = excluded.updated_at;
