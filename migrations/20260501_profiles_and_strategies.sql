-- What each market is set to, how quests bid, and what their claims have turned out to be worth.

-- The values that a pool was configured with. A pool without a row goes by the profile `brief`.
CREATE TABLE IF NOT EXISTS market_settings (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    profile TEXT NOT NULL,
    -- Every value by its name, as JSON: a later release's profile does not change a market that runs.
    settings TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- The share of value that a quest bids in a pool, as pacing has adapted it.
CREATE TABLE IF NOT EXISTS quest_pacing (
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    alpha DOUBLE PRECISION NOT NULL CHECK (alpha > 0 AND alpha <= 1),
    -- What it meant to spend in each round from this one on.
    target_tokens DOUBLE PRECISION NOT NULL CHECK (target_tokens >= 0),
    round_id BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (quest_id, pool)
);

-- What a bidder's claims were taken to be worth when it last bid for a backlog in a pool.
CREATE TABLE IF NOT EXISTS bidder_calibrations (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    bidder_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    slope DOUBLE PRECISION NOT NULL,
    intercept DOUBLE PRECISION NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, bidder_id)
);

-- How the quest bids: a strategy by name, or `market` for the one of its market.
ALTER TABLE quests ADD COLUMN strategy TEXT NOT NULL DEFAULT 'market';

-- A bidder's newest settled slots, to hold its claims against.
CREATE INDEX IF NOT EXISTS compute_auction_clears_settled
    ON compute_auction_clears (bidder_id, slot_finished_at) WHERE status = 'settled';
