-- Bids, and the slots that were sold to them.

CREATE TABLE IF NOT EXISTS compute_auction_bids (
    id BIGINT PRIMARY KEY,
    bidder_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    max_price_tokens BIGINT NOT NULL CHECK (max_price_tokens BETWEEN 1 AND 9007199254740991),
    expected_value_usd DOUBLE PRECISION NOT NULL CHECK (expected_value_usd BETWEEN 0 AND 1e15),
    ttl_at TIMESTAMPTZ NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('open', 'won', 'running', 'settled', 'lost', 'expired', 'cancelled', 'voided')),
    pool TEXT COLLATE "C" NOT NULL,
    placed_at TIMESTAMPTZ NOT NULL,
    -- The order of arrival; a new price is a new arrival.
    sequence BIGINT NOT NULL,
    time_in_force TEXT NOT NULL CHECK (time_in_force IN ('round', 'gtt')),
    -- The round this bid is for, or was sold in; 0 while it rests in the book for any round.
    round_id BIGINT NOT NULL,
    -- 1 while the bid may compete: not for a blocked or running task, not superseded, not suspended.
    competing BIGINT NOT NULL CHECK (competing IN (0, 1)),
    reason TEXT NOT NULL DEFAULT ''
);

CREATE INDEX IF NOT EXISTS compute_auction_bids_status_price
    ON compute_auction_bids (status, max_price_tokens DESC);

-- The book that clears. Cleared rounds keep their part of it unchanged: nothing scans it again.
CREATE INDEX IF NOT EXISTS compute_auction_bids_book
    ON compute_auction_bids (pool, round_id, max_price_tokens DESC, sequence) WHERE competing = 1;

-- What a bidder's bids set aside follows from their prices alone; those that its wallet does not cover hold nothing.
CREATE INDEX IF NOT EXISTS compute_auction_bids_of_bidder
    ON compute_auction_bids (bidder_id, pool, round_id, max_price_tokens DESC)
    WHERE status = 'open' AND reason <> 'suspended';

-- Open bids that may not compete now: for a blocked or running task, superseded, suspended.
CREATE INDEX IF NOT EXISTS compute_auction_bids_waiting
    ON compute_auction_bids (pool, round_id, max_price_tokens DESC, sequence) WHERE status = 'open' AND competing = 0;

CREATE INDEX IF NOT EXISTS compute_auction_bids_suspended
    ON compute_auction_bids (bidder_id, pool) WHERE status = 'open' AND reason = 'suspended';

CREATE UNIQUE INDEX IF NOT EXISTS compute_auction_bids_for_task
    ON compute_auction_bids (task_id, pool, round_id, bidder_id) WHERE status = 'open';

-- "id > 0" is always true: it keeps this index for the statement that repeats it, where a planner without statistics
-- would take it for finding one bidder's bids too.
CREATE INDEX IF NOT EXISTS compute_auction_bids_expiry
    ON compute_auction_bids (pool, round_id, ttl_at) WHERE status = 'open' AND id > 0;

CREATE TABLE IF NOT EXISTS compute_auction_clears (
    slot_id TEXT COLLATE "C" PRIMARY KEY,
    clearing_price_tokens BIGINT NOT NULL CHECK (clearing_price_tokens >= 0),
    winning_task_id TEXT COLLATE "C" NOT NULL,
    runner_up_task_id TEXT,
    slot_started_at TIMESTAMPTZ,
    slot_finished_at TIMESTAMPTZ,
    pool TEXT COLLATE "C" NOT NULL,
    round_id BIGINT NOT NULL,
    bid_id BIGINT NOT NULL,
    bidder_id TEXT COLLATE "C" NOT NULL,
    provider_id TEXT NOT NULL,
    max_price_tokens BIGINT NOT NULL,
    winning_premium_tokens BIGINT NOT NULL,
    -- What the provider receives; differs from the price only under rules with two prices.
    provider_proceeds_tokens BIGINT NOT NULL,
    runner_up_price_tokens BIGINT,
    actual_cost_tokens BIGINT CHECK (actual_cost_tokens >= 0),
    actual_impact DOUBLE PRECISION,
    roi DOUBLE PRECISION,
    attested_by TEXT,
    status TEXT NOT NULL CHECK (status IN ('won', 'running', 'settled', 'voided')),
    reason TEXT NOT NULL DEFAULT '',
    CONSTRAINT price_within_bid CHECK (clearing_price_tokens <= max_price_tokens),
    CONSTRAINT proceeds_within_price CHECK (provider_proceeds_tokens BETWEEN 0 AND clearing_price_tokens),
    CONSTRAINT premium_is_the_rest CHECK (winning_premium_tokens = max_price_tokens - clearing_price_tokens),
    CONSTRAINT settled_is_whole CHECK (status <> 'settled' OR actual_cost_tokens IS NOT NULL)
);

CREATE UNIQUE INDEX IF NOT EXISTS compute_auction_clears_bid ON compute_auction_clears (bid_id);

-- A task wins one slot at a time.
CREATE UNIQUE INDEX IF NOT EXISTS compute_auction_clears_live_task
    ON compute_auction_clears (winning_task_id) WHERE status IN ('won', 'running');

CREATE INDEX IF NOT EXISTS compute_auction_clears_live_bidder
    ON compute_auction_clears (bidder_id) WHERE status IN ('won', 'running');

CREATE INDEX IF NOT EXISTS compute_auction_clears_round ON compute_auction_clears (round_id);
