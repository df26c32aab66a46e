-- The cycle of each pool, the proportional split of the daily bucket, and work that is done without a sale.

-- When a pool clears, and whether its agents go by the auction or by the proportional split.
CREATE TABLE IF NOT EXISTS market_cycles (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    paused BIGINT NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    interval_seconds DOUBLE PRECISION NOT NULL CHECK (interval_seconds > 0),
    -- Cycles are expected from this instant on: that of the first one, or of the last resumption.
    expected_from_at TIMESTAMPTZ NOT NULL,
    -- The last cycle that completed, and when the next one may begin.
    last_cycle_at TIMESTAMPTZ,
    next_cycle_at TIMESTAMPTZ NOT NULL,
    missed BIGINT NOT NULL DEFAULT 0 CHECK (missed >= 0),
    mode TEXT NOT NULL CHECK (mode IN ('auction', 'fallback')),
    mode_since_at TIMESTAMPTZ NOT NULL,
    mode_reason TEXT NOT NULL
);

-- Every change between the auction and the fallback, in order.
CREATE TABLE IF NOT EXISTS market_mode_switches (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    ordinal BIGINT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('auction', 'fallback')),
    reason TEXT NOT NULL,
    switched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, ordinal)
);

-- Income is paid once for each pool and UTC day.
CREATE TABLE IF NOT EXISTS income_runs (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    day TEXT NOT NULL,
    bucket_tokens BIGINT NOT NULL CHECK (bucket_tokens >= 0),
    paid_tokens BIGINT NOT NULL CHECK (paid_tokens BETWEEN 0 AND bucket_tokens),
    paid_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, day)
);

-- The proportional split: what each quest may use of a UTC day's bucket outside the auction, and what it has used.
CREATE TABLE IF NOT EXISTS quest_budget_allocations (
    day TEXT NOT NULL,
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    allocated_tokens BIGINT NOT NULL CHECK (allocated_tokens >= 0),
    used_tokens BIGINT NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (day, quest_id)
);

-- Work given out without a sale: in the fallback, or in a slot that nobody bought.
CREATE TABLE IF NOT EXISTS task_assignments (
    assignment_id TEXT COLLATE "C" PRIMARY KEY,
    source TEXT NOT NULL CHECK (source IN ('unsold', 'fallback')),
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (task_id),
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    -- The offered slot that this took off the market, where there was one.
    slot_id TEXT REFERENCES compute_auction_asks (slot_id),
    -- What it counts for in the quest's share of a day: the estimate, and once it is finished the actual cost.
    day TEXT NOT NULL,
    charged_tokens BIGINT NOT NULL CHECK (charged_tokens >= 0),
    status TEXT NOT NULL CHECK (status IN ('given', 'running', 'finished', 'given_back')),
    succeeded BIGINT CHECK (succeeded IN (0, 1)),
    actual_cost_tokens BIGINT CHECK (actual_cost_tokens >= 0),
    actual_impact DOUBLE PRECISION,
    attested_by TEXT REFERENCES token_accounts (account_id),
    note TEXT NOT NULL DEFAULT '',
    given_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ
);

-- A task is given out once at a time.
CREATE UNIQUE INDEX IF NOT EXISTS task_assignments_live_task
    ON task_assignments (task_id) WHERE status IN ('given', 'running');

CREATE INDEX IF NOT EXISTS task_assignments_of_agent
    ON task_assignments (agent_id) WHERE status IN ('given', 'running');

-- What attested impact earned the account that paid for a slot: what is due by each word on it, and what was moved.
CREATE TABLE IF NOT EXISTS token_refills (
    slot_id TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_clears (slot_id),
    revision BIGINT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    due_tokens BIGINT NOT NULL CHECK (due_tokens >= 0),
    minted_tokens BIGINT NOT NULL CHECK (minted_tokens >= 0),
    burnt_tokens BIGINT NOT NULL CHECK (burnt_tokens >= 0),
    arrears_after BIGINT NOT NULL CHECK (arrears_after >= 0),
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (slot_id, revision)
);

-- Refills that were taken back and could not be covered: later refills pay them first.
CREATE TABLE IF NOT EXISTS token_arrears (
    account_id TEXT COLLATE "C" PRIMARY KEY REFERENCES token_accounts (account_id),
    owed_tokens BIGINT NOT NULL CHECK (owed_tokens >= 0)
);
