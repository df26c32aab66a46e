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
