-- Pools, the slots on offer, the rounds that cleared, and what bids set aside.

CREATE TABLE IF NOT EXISTS compute_auction_pools (
    pool TEXT COLLATE "C" PRIMARY KEY,
    mechanism TEXT NOT NULL,
    -- The weight of the rules that have one, as an exact fraction such as 1/2.
    theta TEXT,
    tie_rule TEXT NOT NULL CHECK (tie_rule IN ('arrival', 'lottery')),
    -- The round that bids placed now belong to. Every earlier round of this pool is cleared.
    open_round_id BIGINT NOT NULL UNIQUE,
    -- The open round's lottery seed, published only as a hash until the round has cleared.
    seed TEXT NOT NULL,
    last_digest TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS compute_auction_asks (
    slot_id TEXT COLLATE "C" PRIMARY KEY,
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    provider_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    reserve_price_tokens BIGINT NOT NULL CHECK (reserve_price_tokens BETWEEN 0 AND 9007199254740991),
    available_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    token_allowance BIGINT CHECK (token_allowance > 0),
    max_seconds BIGINT CHECK (max_seconds > 0),
    status TEXT NOT NULL CHECK (status IN ('open', 'sold', 'withdrawn', 'expired')),
    sequence BIGINT NOT NULL,
    offered_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS compute_auction_asks_on_offer
    ON compute_auction_asks (pool, reserve_price_tokens, sequence) WHERE status = 'open';

CREATE TABLE IF NOT EXISTS compute_auction_rounds (
    round_id BIGINT PRIMARY KEY,
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    cleared_at TIMESTAMPTZ NOT NULL,
    -- Asks available, open bids in the book, and slots sold.
    slots BIGINT NOT NULL,
    bids BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    clearing_price_tokens BIGINT,
    runner_up_bid_id BIGINT,
    mechanism TEXT NOT NULL,
    theta TEXT,
    tie_rule TEXT NOT NULL,
    seed TEXT NOT NULL,
    -- What else decided this round and would not be found again later, as JSON.
    book TEXT NOT NULL,
    digest TEXT NOT NULL,
    previous_digest TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS compute_auction_rounds_of_pool ON compute_auction_rounds (pool, cleared_at);

-- What an account's open bids in a pool set aside. The round's part stops counting when that round has cleared.
CREATE TABLE IF NOT EXISTS token_bid_holds (
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    round_id BIGINT NOT NULL,
    round_tokens BIGINT NOT NULL CHECK (round_tokens >= 0),
    resting_tokens BIGINT NOT NULL CHECK (resting_tokens >= 0),
    -- Resting bids that the wallet did not cover after a round; they hold nothing until it does.
    suspended_bids BIGINT NOT NULL DEFAULT 0 CHECK (suspended_bids >= 0),
    PRIMARY KEY (account_id, pool)
);

CREATE INDEX IF NOT EXISTS token_bid_holds_suspended ON token_bid_holds (pool, account_id) WHERE suspended_bids > 0;

-- How many bids stand in a pool's book, in stripes so that bidders who come at once do not queue for one row.
CREATE TABLE IF NOT EXISTS compute_auction_book_counts (
    pool TEXT COLLATE "C" NOT NULL,
    stripe BIGINT NOT NULL,
    round_id BIGINT NOT NULL,
    round_bids BIGINT NOT NULL CHECK (round_bids >= 0),
    resting_bids BIGINT NOT NULL CHECK (resting_bids >= 0),
    PRIMARY KEY (pool, stripe)
);

-- What evaluators said of a settled slot's impact; the latest counts, the first came with the settlement.
CREATE TABLE IF NOT EXISTS compute_auction_attestations (
    slot_id TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_clears (slot_id),
    revision BIGINT NOT NULL,
    actual_impact DOUBLE PRECISION,
    attested_by TEXT COLLATE "C" REFERENCES token_accounts (account_id),
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (slot_id, revision)
);

-- Work to be done. A task that the exchange does not know is somebody else's, and always may run.
CREATE TABLE IF NOT EXISTS quests (
    quest_id TEXT COLLATE "C" PRIMARY KEY,
    title TEXT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    priority BIGINT NOT NULL CHECK (priority >= 0),
    status TEXT NOT NULL CHECK (status IN ('active', 'paused')),
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS tasks (
    task_id TEXT COLLATE "C" PRIMARY KEY,
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'blocked', 'running', 'done', 'failed')),
    expected_value_usd DOUBLE PRECISION NOT NULL CHECK (expected_value_usd BETWEEN 0 AND 1e15),
    estimated_cost_tokens BIGINT CHECK (estimated_cost_tokens BETWEEN 0 AND 9007199254740991),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    payload TEXT NOT NULL,
    deadline_at TIMESTAMPTZ,
    attempts BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS tasks_of_quest ON tasks (quest_id, status);

-- task_id waits for depends_on.
CREATE TABLE IF NOT EXISTS task_dependencies (
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (task_id),
    depends_on TEXT COLLATE "C" NOT NULL REFERENCES tasks (task_id),
    PRIMARY KEY (task_id, depends_on),
    CONSTRAINT not_on_itself CHECK (task_id <> depends_on)
);

CREATE INDEX IF NOT EXISTS task_dependencies_reverse ON task_dependencies (depends_on);

-- Bids as they stand: a cleared round decides its bids without writing them, so this is where readers look.
CREATE VIEW compute_auction_bid_states AS
SELECT
    b.id, b.bidder_id, b.task_id, b.max_price_tokens, b.expected_value_usd, b.ttl_at, b.pool, b.placed_at,
    b.sequence, b.time_in_force, b.round_id, b.competing,
    CASE
        WHEN c.bid_id IS NOT NULL THEN c.status
        WHEN b.status <> 'open' OR b.round_id = 0 OR b.round_id >= p.open_round_id THEN b.status
        WHEN b.ttl_at <= r.cleared_at THEN 'expired'
        ELSE 'lost'
    END AS status,
    CASE WHEN c.bid_id IS NOT NULL THEN c.reason ELSE b.reason END AS reason,
    b.status AS stored_status
FROM compute_auction_bids b
JOIN compute_auction_pools p ON p.pool = b.pool
LEFT JOIN compute_auction_clears c ON c.bid_id = b.id
LEFT JOIN compute_auction_rounds r ON r.round_id = b.round_id;

-- Everything that is set aside now: for the bids of the open round, for resting bids, and for each slot won.
CREATE VIEW token_holds AS
SELECT h.account_id, h.pool, 'round' AS kind, h.round_id, NULL AS slot_id, h.round_tokens AS tokens
FROM token_bid_holds h
JOIN compute_auction_pools p ON p.pool = h.pool
WHERE h.round_id = p.open_round_id AND h.round_tokens > 0
UNION ALL
SELECT h.account_id, h.pool, 'resting', 0, NULL, h.resting_tokens
FROM token_bid_holds h
WHERE h.resting_tokens > 0
UNION ALL
SELECT c.bidder_id, c.pool, 'slot', c.round_id, c.slot_id, c.clearing_price_tokens
FROM compute_auction_clears c
WHERE c.status IN ('won', 'running') AND c.clearing_price_tokens > 0;

-- Wallets as they stand: what a cleared round no longer holds is available.
CREATE VIEW token_wallets AS
SELECT
    a.account_id, a.kind, a.owner_id, a.balance_tokens, a.entries, a.created_at,
    a.held_tokens - CAST(COALESCE((
        SELECT SUM(h.round_tokens)
        FROM token_bid_holds h
        JOIN compute_auction_pools p ON p.pool = h.pool
        WHERE h.account_id = a.account_id AND h.round_id < p.open_round_id
    ), 0) AS BIGINT) AS held_tokens
FROM token_accounts a;
