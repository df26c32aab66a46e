-- Money: income that follows prices and attested impact, and the floor.

-- Whether the floor serves a quest that has waited long; the operator says so.
ALTER TABLE quests ADD COLUMN floor_entitled BIGINT NOT NULL DEFAULT 0 CHECK (floor_entitled IN (0, 1));

CREATE INDEX IF NOT EXISTS quests_floor_entitled ON quests (quest_id) WHERE floor_entitled = 1;

-- What a day's bucket was indexed by; NULL where it was not.
ALTER TABLE income_runs ADD COLUMN slots_of_day BIGINT CHECK (slots_of_day >= 0);

ALTER TABLE income_runs ADD COLUMN price_level_tokens DOUBLE PRECISION CHECK (price_level_tokens >= 0);

-- A pool's moving average of what slots would cost if no wallet limited any bid.
CREATE TABLE IF NOT EXISTS market_price_levels (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    level_tokens DOUBLE PRECISION NOT NULL CHECK (level_tokens >= 0),
    -- Rounds that have moved it.
    rounds BIGINT NOT NULL CHECK (rounds > 0),
    changed_at TIMESTAMPTZ NOT NULL
);

-- What each account got of a day's bucket, what of it paid arrears, and what its cap burnt.
CREATE TABLE IF NOT EXISTS income_shares (
    pool TEXT COLLATE "C" NOT NULL,
    day TEXT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    base_tokens BIGINT NOT NULL CHECK (base_tokens >= 0),
    impact_tokens BIGINT NOT NULL CHECK (impact_tokens >= 0),
    garnished_tokens BIGINT NOT NULL CHECK (garnished_tokens BETWEEN 0 AND base_tokens + impact_tokens),
    burnt_tokens BIGINT NOT NULL CHECK (burnt_tokens >= 0),
    -- What it would get if the whole bucket went by priority: the measure of its cap.
    fair_share_tokens BIGINT NOT NULL CHECK (fair_share_tokens >= 0),
    PRIMARY KEY (pool, day, account_id)
);

CREATE INDEX IF NOT EXISTS income_shares_of_account ON income_shares (account_id, day);

-- Impact of settled slots that an evaluator attested, and what of it has earned a share of a day's bucket.
CREATE TABLE IF NOT EXISTS attested_impacts (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    pool TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- By the latest word; below zero counts as 0.
    impact_usd DOUBLE PRECISION NOT NULL CHECK (impact_usd >= 0),
    counted_usd DOUBLE PRECISION NOT NULL CHECK (counted_usd >= 0),
    earned_tokens BIGINT NOT NULL CHECK (earned_tokens >= 0)
);

CREATE INDEX IF NOT EXISTS attested_impacts_to_count ON attested_impacts (pool, slot_id) WHERE impact_usd > counted_usd;

-- How many rounds with slots a pool has held while quests were entitled, and what its floor may give away.
CREATE TABLE IF NOT EXISTS market_floors (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    rounds BIGINT NOT NULL CHECK (rounds > 0),
    -- In hundredths of a slot.
    credit_hundredths BIGINT NOT NULL CHECK (credit_hundredths >= 0)
);

-- The number of the round, counted as in market_floors, in which an entitled quest last had a slot of a pool.
CREATE TABLE IF NOT EXISTS quest_waits (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    since_round BIGINT NOT NULL CHECK (since_round >= 0),
    PRIMARY KEY (pool, quest_id)
);
