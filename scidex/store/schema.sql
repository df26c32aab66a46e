-- The whole schema, as all migrations leave it, to be read. Written for PostgreSQL; a test keeps it in step.
--
-- SQLite has the same tables with its own names for the types (STRICT, times as text in UTC), and in place of the
-- sequences a table of numbers. What is append-only it guards by triggers of the same names.

-- The migrations that this database has taken.
CREATE TABLE schema_migrations (
    name TEXT PRIMARY KEY,
    digest TEXT
);

-- Accounts and the append-only double-entry transfers between them.

CREATE TABLE token_accounts (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('system', 'agent', 'quest', 'worker', 'evaluator')),
    owner_id TEXT NOT NULL,
    balance_tokens BIGINT NOT NULL DEFAULT 0,
    held_tokens BIGINT NOT NULL DEFAULT 0,
    entries BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT balance_not_negative CHECK (balance_tokens >= 0 OR account_id = 'system:issuance'),
    CONSTRAINT held_within_balance CHECK (held_tokens = 0 OR (held_tokens > 0 AND held_tokens <= balance_tokens)),
    CONSTRAINT balance_within_supply CHECK (balance_tokens BETWEEN -9007199254740991 AND 9007199254740991)
);

CREATE TABLE token_transfers (
    transfer_id BIGINT PRIMARY KEY,
    debit_account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    credit_account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    amount_tokens BIGINT NOT NULL CHECK (amount_tokens BETWEEN 1 AND 9007199254740991),
    reason TEXT NOT NULL,
    debit_entry BIGINT NOT NULL,
    debit_balance_after BIGINT NOT NULL,
    credit_entry BIGINT NOT NULL,
    credit_balance_after BIGINT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT two_accounts CHECK (debit_account_id <> credit_account_id)
);

CREATE UNIQUE INDEX token_transfers_debits ON token_transfers (debit_account_id, debit_entry);
CREATE UNIQUE INDEX token_transfers_credits ON token_transfers (credit_account_id, credit_entry);

-- Every write of the exchange, with all it needs to be done again.
CREATE TABLE journal (
    entry_id BIGINT PRIMARY KEY,
    verb TEXT NOT NULL,
    actor TEXT NOT NULL,
    arguments TEXT NOT NULL,
    generated TEXT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);

-- The first answer to each idempotency key, and what was asked with it.
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    arguments_digest TEXT NOT NULL,
    answer TEXT,
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);

-- Bids, and the slots that were sold to them.

CREATE TABLE compute_auction_bids (
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
    reason TEXT NOT NULL DEFAULT '',
    -- 1 where the market placed it for a quest's backlog, and cuts or cancels it as the backlog and the wallet change.
    for_backlog BIGINT NOT NULL DEFAULT 0 CHECK (for_backlog IN (0, 1))
);

CREATE INDEX compute_auction_bids_status_price
    ON compute_auction_bids (status, max_price_tokens DESC);

-- The book that clears. Cleared rounds keep their part of it unchanged: nothing scans it again.
CREATE INDEX compute_auction_bids_book
    ON compute_auction_bids (pool, round_id, max_price_tokens DESC, sequence) WHERE competing = 1;

-- What a bidder's bids set aside follows from their prices alone; those that its wallet does not cover hold nothing.
CREATE INDEX compute_auction_bids_of_bidder
    ON compute_auction_bids (bidder_id, pool, round_id, max_price_tokens DESC)
    WHERE status = 'open' AND reason <> 'suspended';

-- Open bids that may not compete now: for a blocked or running task, superseded, suspended.
CREATE INDEX compute_auction_bids_waiting
    ON compute_auction_bids (pool, round_id, max_price_tokens DESC, sequence) WHERE status = 'open' AND competing = 0;

CREATE INDEX compute_auction_bids_suspended
    ON compute_auction_bids (bidder_id, pool) WHERE status = 'open' AND reason = 'suspended';

CREATE UNIQUE INDEX compute_auction_bids_for_task
    ON compute_auction_bids (task_id, pool, round_id, bidder_id) WHERE status = 'open';

-- "id > 0" is always true: it keeps this index for the statement that repeats it, where a planner without statistics
-- would take it for finding one bidder's bids too.
CREATE INDEX compute_auction_bids_expiry
    ON compute_auction_bids (pool, round_id, ttl_at) WHERE status = 'open' AND id > 0;

CREATE INDEX compute_auction_bids_for_backlog
    ON compute_auction_bids (pool, round_id, bidder_id) WHERE status = 'open' AND for_backlog = 1;

CREATE TABLE compute_auction_clears (
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
    -- 0 where a settled slot's cost is not known: actual_cost_tokens is then 0 here, and no cost to whoever reads it.
    cost_is_known BIGINT NOT NULL DEFAULT 1 CHECK (cost_is_known IN (0, 1)),
    -- When an evaluator first said what it was worth, and until when one still may.
    judged_at TIMESTAMPTZ,
    attest_ends_at TIMESTAMPTZ,
    CONSTRAINT price_within_bid CHECK (clearing_price_tokens <= max_price_tokens),
    CONSTRAINT proceeds_within_price CHECK (provider_proceeds_tokens BETWEEN 0 AND clearing_price_tokens),
    CONSTRAINT premium_is_the_rest CHECK (winning_premium_tokens = max_price_tokens - clearing_price_tokens),
    CONSTRAINT settled_is_whole CHECK (status <> 'settled' OR actual_cost_tokens IS NOT NULL)
);

CREATE UNIQUE INDEX compute_auction_clears_bid ON compute_auction_clears (bid_id);

-- A task wins one slot at a time.
CREATE UNIQUE INDEX compute_auction_clears_live_task
    ON compute_auction_clears (winning_task_id) WHERE status IN ('won', 'running');

-- Live slots are those that have not ended. The words about their end make this predicate its own: a read that looks
-- for a task's live slot must not be planned with this index while the table is small.
CREATE INDEX compute_auction_clears_live_bidder
    ON compute_auction_clears (bidder_id) WHERE status IN ('won', 'running') AND slot_finished_at IS NULL;

-- What a bidder's record rests on, the newest first; and what may still come to it.
CREATE INDEX compute_auction_clears_judged
    ON compute_auction_clears (bidder_id, slot_finished_at) WHERE judged_at IS NOT NULL;
CREATE INDEX compute_auction_clears_unjudged
    ON compute_auction_clears (bidder_id, attest_ends_at) WHERE status = 'settled' AND judged_at IS NULL;

-- Slots that wait for a worker, in the order in which they are leased: a fleet's are the treasury's.
CREATE INDEX compute_auction_clears_waiting
    ON compute_auction_clears (provider_id, pool, round_id, slot_id) WHERE status = 'won' AND provider_id <> '';

CREATE INDEX compute_auction_clears_round ON compute_auction_clears (round_id);

-- Pools, the slots on offer, the rounds that cleared, and what bids set aside.

CREATE TABLE compute_auction_pools (
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

CREATE TABLE compute_auction_asks (
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

CREATE INDEX compute_auction_asks_on_offer
    ON compute_auction_asks (pool, reserve_price_tokens, sequence) WHERE status = 'open';

CREATE TABLE compute_auction_rounds (
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

CREATE INDEX compute_auction_rounds_of_pool ON compute_auction_rounds (pool, cleared_at);
CREATE INDEX compute_auction_rounds_in_order ON compute_auction_rounds (pool, round_id);

-- What an account's open bids in a pool set aside. The round's part stops counting when that round has cleared.
CREATE TABLE token_bid_holds (
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    round_id BIGINT NOT NULL,
    round_tokens BIGINT NOT NULL CHECK (round_tokens >= 0),
    resting_tokens BIGINT NOT NULL CHECK (resting_tokens >= 0),
    -- Resting bids that the wallet did not cover after a round; they hold nothing until it does.
    suspended_bids BIGINT NOT NULL DEFAULT 0 CHECK (suspended_bids >= 0),
    PRIMARY KEY (account_id, pool)
);

CREATE INDEX token_bid_holds_suspended ON token_bid_holds (pool, account_id) WHERE suspended_bids > 0;

-- How many bids stand in a pool's book, in stripes so that bidders who come at once do not queue for one row.
CREATE TABLE compute_auction_book_counts (
    pool TEXT COLLATE "C" NOT NULL,
    stripe BIGINT NOT NULL,
    round_id BIGINT NOT NULL,
    round_bids BIGINT NOT NULL CHECK (round_bids >= 0),
    resting_bids BIGINT NOT NULL CHECK (resting_bids >= 0),
    PRIMARY KEY (pool, stripe)
);

-- What evaluators said of a settled slot's impact; the latest counts, the first came with the settlement.
CREATE TABLE compute_auction_attestations (
    slot_id TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_clears (slot_id),
    revision BIGINT NOT NULL,
    actual_impact DOUBLE PRECISION,
    attested_by TEXT COLLATE "C" REFERENCES token_accounts (account_id),
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (slot_id, revision)
);

-- Work to be done. A task that the exchange does not know is somebody else's, and always may run.
CREATE TABLE quests (
    quest_id TEXT COLLATE "C" PRIMARY KEY,
    title TEXT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    priority BIGINT NOT NULL CHECK (priority >= 0),
    status TEXT NOT NULL CHECK (status IN ('active', 'paused')),
    created_at TIMESTAMPTZ NOT NULL,
    -- How the quest bids: a strategy by name, or `market` for the one of its market.
    strategy TEXT NOT NULL DEFAULT 'market',
    -- Whether the floor serves it when it has waited long; the operator says so.
    floor_entitled BIGINT NOT NULL DEFAULT 0 CHECK (floor_entitled IN (0, 1))
);

CREATE INDEX quests_floor_entitled ON quests (quest_id) WHERE floor_entitled = 1;

CREATE TABLE tasks (
    task_id TEXT COLLATE "C" PRIMARY KEY,
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'blocked', 'running', 'done', 'failed', 'held')),
    expected_value_usd DOUBLE PRECISION NOT NULL CHECK (expected_value_usd BETWEEN 0 AND 1e15),
    estimated_cost_tokens BIGINT CHECK (estimated_cost_tokens BETWEEN 0 AND 9007199254740991),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    payload TEXT NOT NULL,
    deadline_at TIMESTAMPTZ,
    attempts BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Why it is held or failed, where that was said.
    status_reason TEXT NOT NULL DEFAULT '',
    -- Who gave it its status: the market by running it, an operator by hand, or the source that it was imported from.
    status_by TEXT NOT NULL DEFAULT 'market' CHECK (status_by IN ('market', 'operator', 'source')),
    -- A group, such as an epic with open children, is listed but never bid for and never run.
    kind TEXT NOT NULL DEFAULT 'task' CHECK (kind IN ('task', 'group')),
    -- The source that it was imported from, where that has a name, and when its end was written back there.
    source TEXT COLLATE "C" NOT NULL DEFAULT '',
    written_back_at TIMESTAMPTZ
);

CREATE INDEX tasks_of_quest ON tasks (quest_id, status);
CREATE INDEX tasks_in_state ON tasks (status, task_id);
CREATE INDEX tasks_not_over ON tasks (pool, status) WHERE status NOT IN ('done', 'failed');
CREATE INDEX tasks_over ON tasks (status, updated_at, pool) WHERE status IN ('done', 'failed');
CREATE INDEX tasks_of_source ON tasks (source, task_id) WHERE source <> '';

-- task_id waits for depends_on.
CREATE TABLE task_dependencies (
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (task_id),
    depends_on TEXT COLLATE "C" NOT NULL REFERENCES tasks (task_id),
    PRIMARY KEY (task_id, depends_on),
    CONSTRAINT not_on_itself CHECK (task_id <> depends_on)
);

CREATE INDEX task_dependencies_reverse ON task_dependencies (depends_on);

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

-- Slots won and not started yet, by the accounts that may run them: whoever bought one, and whoever provides it but the
-- treasury. Each part repeats the predicate of its own index.
CREATE VIEW compute_auction_won_slots AS
SELECT bidder_id AS account_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND slot_finished_at IS NULL AND status = 'won'
UNION
SELECT provider_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status = 'won' AND provider_id <> '' AND provider_id <> 'system:treasury';

-- Numbers drawn by many writers at once.

CREATE SEQUENCE bid_numbers;
CREATE SEQUENCE slot_numbers;
CREATE SEQUENCE round_numbers;
CREATE SEQUENCE transfer_numbers;
CREATE SEQUENCE journal_numbers;

-- The cycle of each pool, the proportional split of the daily bucket, and work that is done outside the auction.

-- When a pool clears, and whether its agents go by the auction or by the proportional split.
CREATE TABLE market_cycles (
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
CREATE TABLE market_mode_switches (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    ordinal BIGINT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('auction', 'fallback')),
    reason TEXT NOT NULL,
    switched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, ordinal)
);

-- Income is paid once for each pool and UTC day.
CREATE TABLE income_runs (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    day TEXT NOT NULL,
    bucket_tokens BIGINT NOT NULL CHECK (bucket_tokens >= 0),
    paid_tokens BIGINT NOT NULL CHECK (paid_tokens BETWEEN 0 AND bucket_tokens),
    paid_at TIMESTAMPTZ NOT NULL,
    -- What the bucket was indexed by; NULL where it was not.
    slots_of_day BIGINT CHECK (slots_of_day >= 0),
    price_level_tokens DOUBLE PRECISION CHECK (price_level_tokens >= 0),
    -- What of the bucket goes by priority; NULL of days that were paid before this was kept.
    base_tokens BIGINT CHECK (base_tokens >= 0),
    PRIMARY KEY (pool, day)
);

-- What each account got of a day's bucket by priority, so that a quest that joins that day is paid its part at once, and
-- priorities set after the first payment correct it.
CREATE TABLE income_parts (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    day TEXT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- Who it counts for: its owner, or where the pool pays by quest the account itself.
    earner TEXT COLLATE "C" NOT NULL,
    -- The priority that it was paid by.
    priority BIGINT NOT NULL CHECK (priority >= 0),
    tokens BIGINT NOT NULL CHECK (tokens >= 0),
    -- When it joined; NULL where it was there at the first payment.
    joined_at TIMESTAMPTZ,
    -- 1 once a later priority has corrected it: that happens once a day.
    corrected BIGINT NOT NULL DEFAULT 0 CHECK (corrected IN (0, 1)),
    PRIMARY KEY (pool, day, account_id)
);

-- The proportional split: what each quest may use of a UTC day's bucket outside the auction, and what it has used.
CREATE TABLE quest_budget_allocations (
    day TEXT NOT NULL,
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    allocated_tokens BIGINT NOT NULL CHECK (allocated_tokens >= 0),
    used_tokens BIGINT NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (day, quest_id)
);

-- Work given out outside the auction: in the fallback, or in a slot that nobody bought.
CREATE TABLE task_assignments (
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
CREATE UNIQUE INDEX task_assignments_live_task
    ON task_assignments (task_id) WHERE status IN ('given', 'running');

CREATE INDEX task_assignments_of_agent
    ON task_assignments (agent_id) WHERE status IN ('given', 'running');

-- What attested impact earned the account that paid for a slot: what is due by each word on it, and what was moved.
CREATE TABLE token_refills (
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
CREATE TABLE token_arrears (
    account_id TEXT COLLATE "C" PRIMARY KEY REFERENCES token_accounts (account_id),
    owed_tokens BIGINT NOT NULL CHECK (owed_tokens >= 0)
);

-- Money: prices, income by attested impact, and the floor.

-- A pool's moving average of what slots would cost if no wallet limited any bid.
CREATE TABLE market_price_levels (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    level_tokens DOUBLE PRECISION NOT NULL CHECK (level_tokens >= 0),
    -- Rounds that have moved it.
    rounds BIGINT NOT NULL CHECK (rounds > 0),
    changed_at TIMESTAMPTZ NOT NULL
);

-- What each account got of a day's bucket, what of it paid arrears, and what its cap burnt.
CREATE TABLE income_shares (
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

CREATE INDEX income_shares_of_account ON income_shares (account_id, day);

-- Impact of settled slots that an evaluator attested, and what of it has earned a share of a day's bucket.
CREATE TABLE attested_impacts (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    pool TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- By the latest word; below zero counts as 0.
    impact_usd DOUBLE PRECISION NOT NULL CHECK (impact_usd >= 0),
    counted_usd DOUBLE PRECISION NOT NULL CHECK (counted_usd >= 0),
    earned_tokens BIGINT NOT NULL CHECK (earned_tokens >= 0)
);

CREATE INDEX attested_impacts_to_count ON attested_impacts (pool, slot_id) WHERE impact_usd > counted_usd;

-- Allowances that winners declared for their slots, where the pool takes declarations.
CREATE TABLE declared_allowances (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    declared_tokens BIGINT NOT NULL CHECK (declared_tokens BETWEEN 1 AND 9007199254740991),
    declared_at TIMESTAMPTZ NOT NULL
);

-- How many rounds with slots a pool has held while quests were entitled, and what its floor may give away.
CREATE TABLE market_floors (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    rounds BIGINT NOT NULL CHECK (rounds > 0),
    -- In hundredths of a slot.
    credit_hundredths BIGINT NOT NULL CHECK (credit_hundredths >= 0)
);

-- The number of the round, counted as in market_floors, in which an entitled quest last had a slot of a pool.
CREATE TABLE quest_waits (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    quest_id TEXT COLLATE "C" NOT NULL REFERENCES quests (quest_id),
    since_round BIGINT NOT NULL CHECK (since_round >= 0),
    PRIMARY KEY (pool, quest_id)
);

-- Slots that the floor gave away.
CREATE TABLE floor_gifts (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    -- What its quest claimed of the task then: whoever raises or lowers it later changes no record.
    claimed_usd DOUBLE PRECISION NOT NULL CHECK (claimed_usd >= 0),
    -- What the treasury pays for it: its own cost it nothing.
    price_tokens BIGINT NOT NULL DEFAULT 0 CHECK (price_tokens >= 0)
);

CREATE INDEX floor_gifts_bought ON floor_gifts (slot_id) WHERE price_tokens > 0;

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
WHERE c.status IN ('won', 'running') AND c.clearing_price_tokens > 0
UNION ALL
SELECT 'system:treasury', c.pool, 'slot', c.round_id, c.slot_id, g.price_tokens
FROM floor_gifts g JOIN compute_auction_clears c ON c.slot_id = g.slot_id
WHERE c.status IN ('won', 'running') AND g.price_tokens > 0;

-- Numbers drawn by many writers at once.

CREATE SEQUENCE assignment_numbers;

-- What each market is set to, how quests bid, and what their claims have turned out to be worth.

-- The values that a pool was configured with. A pool without a row goes by the profile `brief`.
CREATE TABLE market_settings (
    pool TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_pools (pool),
    profile TEXT NOT NULL,
    -- Every value by its name, as JSON: a later release's profile does not change a market that runs.
    settings TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- The share of value that a quest bids in a pool, as pacing has adapted it.
CREATE TABLE quest_pacing (
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
CREATE TABLE bidder_calibrations (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    bidder_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    slope DOUBLE PRECISION NOT NULL,
    intercept DOUBLE PRECISION NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, bidder_id)
);

-- Processes that run slots, the slots that each of them offered, and who may run what until when.

-- A process that runs slots for an account. Unless it is heard of, it counts as lost from ends_at on.
CREATE TABLE workers (
    worker_id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    seats BIGINT NOT NULL CHECK (seats > 0),
    lease_seconds DOUBLE PRECISION NOT NULL CHECK (lease_seconds > 0),
    status TEXT NOT NULL CHECK (status IN ('alive', 'stopped', 'lost')),
    registered_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    -- For whom it offers its slots: the treasury, or an account that sells for its own proceeds.
    provider_id TEXT COLLATE "C" NOT NULL DEFAULT 'system:treasury',
    -- The account at a provider of models that its runs draw on, with others; '' where none is named.
    draws_on TEXT COLLATE "C" NOT NULL DEFAULT '',
    -- Why it was stopped by the market; it is not alive again by itself.
    stopped_because TEXT NOT NULL DEFAULT ''
);

CREATE INDEX workers_alive ON workers (pool, account_id) WHERE status = 'alive';

-- Which worker offered a slot, until that slot is leased or off the market.
CREATE TABLE worker_slots (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_asks (slot_id),
    worker_id TEXT COLLATE "C" NOT NULL REFERENCES workers (worker_id)
);

CREATE INDEX worker_slots_of_worker ON worker_slots (worker_id);

-- The right to run a sold slot or an assignment, and once it has ended what its heartbeats said.
CREATE TABLE leases (
    fence BIGINT PRIMARY KEY,
    -- A slot that was sold, or an assignment.
    run_id TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('auction', 'unsold', 'fallback')),
    task_id TEXT COLLATE "C" NOT NULL,
    worker_id TEXT COLLATE "C" NOT NULL REFERENCES workers (worker_id),
    lease_seconds DOUBLE PRECISION NOT NULL CHECK (lease_seconds > 0),
    status TEXT NOT NULL CHECK (status IN ('live', 'finished', 'given_back', 'voided', 'expired')),
    leased_at TIMESTAMPTZ NOT NULL,
    -- When it ends unless a heartbeat says otherwise.
    ends_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    heartbeats BIGINT NOT NULL DEFAULT 0 CHECK (heartbeats >= 0),
    last_heartbeat_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ,
    exited_at TIMESTAMPTZ,
    metered_at TIMESTAMPTZ,
    exit_note TEXT NOT NULL DEFAULT '',
    usage_note TEXT NOT NULL DEFAULT ''
);

CREATE INDEX leases_of_run ON leases (run_id, fence);

-- A slot has one live lease at most.
CREATE UNIQUE INDEX leases_live_run ON leases (run_id) WHERE status = 'live';

CREATE INDEX leases_live_worker ON leases (worker_id) WHERE status = 'live';

CREATE INDEX leases_of_worker ON leases (worker_id, leased_at, fence);

-- Of the leases of one task a later one has a higher number.
CREATE INDEX leases_of_task ON leases (task_id, fence);

CREATE INDEX leases_in_order ON leases (leased_at, fence);

-- What live leases and workers were last heard to say. Not journaled: they say it again in a moment.
CREATE TABLE lease_heartbeats (
    fence BIGINT PRIMARY KEY REFERENCES leases (fence),
    ends_at TIMESTAMPTZ NOT NULL,
    heartbeats BIGINT NOT NULL,
    last_heartbeat_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    exited_at TIMESTAMPTZ,
    metered_at TIMESTAMPTZ,
    exit_note TEXT NOT NULL DEFAULT '',
    usage_note TEXT NOT NULL DEFAULT ''
);

CREATE TABLE worker_heartbeats (
    worker_id TEXT COLLATE "C" PRIMARY KEY REFERENCES workers (worker_id),
    seen_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL,
    running BIGINT NOT NULL CHECK (running >= 0)
);

-- Numbers drawn by many writers at once.

CREATE SEQUENCE fence_numbers;

-- What runs used and wrote, and the pull requests that came of them. A run is a slot that was sold, or an assignment.

-- What a run used by each word on it, the latest counting; what is not known is NULL.
CREATE TABLE run_usages (
    run_id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 0),
    meter TEXT NOT NULL,
    -- Where what the run is settled by comes from: its tokens, or where those are not known its USD.
    provenance TEXT NOT NULL CHECK (provenance IN ('billed', 'reported', 'estimated', 'none')),
    tokens BIGINT CHECK (tokens >= 0),
    input_tokens BIGINT CHECK (input_tokens >= 0),
    cached_input_tokens BIGINT CHECK (cached_input_tokens >= 0),
    output_tokens BIGINT CHECK (output_tokens >= 0),
    cost_usd DOUBLE PRECISION CHECK (cost_usd >= 0),
    cost_provenance TEXT NOT NULL CHECK (cost_provenance IN ('billed', 'reported', 'estimated', 'none')),
    note TEXT NOT NULL DEFAULT '',
    recorded_at TIMESTAMPTZ NOT NULL,
    -- The models that were used, joined by +.
    model TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, revision),
    CONSTRAINT known_or_none CHECK ((provenance = 'none') = (tokens IS NULL AND cost_usd IS NULL)),
    CONSTRAINT cost_known_or_none CHECK ((cost_provenance = 'none') = (cost_usd IS NULL))
);

-- How a run ended, and the last of what it wrote.
CREATE TABLE run_outputs (
    run_id TEXT COLLATE "C" PRIMARY KEY,
    ended TEXT NOT NULL,
    exit_code BIGINT,
    reason TEXT NOT NULL,
    stdout TEXT NOT NULL,
    stderr TEXT NOT NULL,
    output_bytes BIGINT NOT NULL CHECK (output_bytes >= 0),
    seconds DOUBLE PRECISION NOT NULL CHECK (seconds >= 0),
    recorded_at TIMESTAMPTZ NOT NULL
);

-- Pull requests that runs opened or worked on, as they were last seen.
CREATE TABLE run_pull_requests (
    run_id TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'merged', 'closed')),
    checks TEXT NOT NULL CHECK (checks IN ('pass', 'fail', 'pending', 'none')),
    merged_at TIMESTAMPTZ,
    -- When this run named it first, and when anybody looked last.
    named_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, url),
    CONSTRAINT merged_has_its_time CHECK ((state = 'merged') = (merged_at IS NOT NULL))
);

CREATE INDEX run_pull_requests_by_url ON run_pull_requests (url);

-- Finished runs are looked for by the time of their end.
CREATE INDEX compute_auction_clears_finished
    ON compute_auction_clears (slot_finished_at) WHERE slot_finished_at IS NOT NULL;

CREATE INDEX task_assignments_finished
    ON task_assignments (finished_at) WHERE started_at IS NOT NULL;

-- The end of each run that was told, the last one of a run that was told twice.
CREATE TABLE run_endings (
    run_id TEXT COLLATE "C" PRIMARY KEY,
    ending TEXT NOT NULL CHECK (ending IN ('succeeded', 'failed', 'interrupted', 'lost')),
    -- One word for why, such as quota or exit_code; '' where none was given.
    cause TEXT NOT NULL,
    note TEXT NOT NULL,
    -- When to try again, where the command or its provider said so.
    retry_at TIMESTAMPTZ,
    task_id TEXT COLLATE "C" NOT NULL,
    worker_id TEXT COLLATE "C" REFERENCES workers (worker_id),
    ended_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX run_endings_of_worker ON run_endings (worker_id, ended_at);
CREATE INDEX run_endings_at ON run_endings (ended_at);

-- How long after a run was settled an evaluator may still judge it, where that is not as its pool is set to.
CREATE TABLE evaluators (
    evaluator_id TEXT COLLATE "C" PRIMARY KEY REFERENCES token_accounts (account_id),
    attest_within_hours DOUBLE PRECISION NOT NULL CHECK (attest_within_hours BETWEEN 0 AND 8784),
    changed_at TIMESTAMPTZ NOT NULL
);

-- How often in a row a task's run ended with its worker.
CREATE TABLE task_losses (
    task_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tasks (task_id),
    losses BIGINT NOT NULL CHECK (losses > 0)
);

-- Tasks in a row that failed at once on a worker.
CREATE TABLE worker_failures (
    worker_id TEXT COLLATE "C" PRIMARY KEY REFERENCES workers (worker_id),
    failures BIGINT NOT NULL CHECK (failures > 0),
    last_task_id TEXT COLLATE "C" NOT NULL,
    since_at TIMESTAMPTZ NOT NULL
);

-- What offers nothing for a while since runs were interrupted: a worker, or all that draw on an account.
CREATE TABLE breakers (
    kind TEXT NOT NULL CHECK (kind IN ('worker', 'account')),
    -- For whom its workers offer slots: an account of the same name that others draw on is another one.
    provider_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    trips BIGINT NOT NULL CHECK (trips > 0),
    cause TEXT NOT NULL,
    note TEXT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL,
    -- The worker that tries alone once the pause is over, and since when it is to.
    trial_worker_id TEXT COLLATE "C" REFERENCES workers (worker_id),
    trial_at TIMESTAMPTZ,
    PRIMARY KEY (kind, provider_id, name)
);

-- Leases as they stand, with what their heartbeats said so far.
CREATE VIEW lease_states AS
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, w.account_id, l.lease_seconds, l.status, l.leased_at,
    COALESCE(h.ends_at, l.ends_at) AS ends_at, l.ended_at, COALESCE(h.heartbeats, l.heartbeats) AS heartbeats,
    COALESCE(h.last_heartbeat_at, l.last_heartbeat_at) AS last_heartbeat_at,
    COALESCE(h.started_at, l.started_at) AS started_at, COALESCE(h.exited_at, l.exited_at) AS exited_at,
    COALESCE(h.metered_at, l.metered_at) AS metered_at, COALESCE(h.exit_note, l.exit_note) AS exit_note,
    COALESCE(h.usage_note, l.usage_note) AS usage_note
FROM leases l JOIN workers w ON w.worker_id = l.worker_id LEFT JOIN lease_heartbeats h ON h.fence = l.fence;

-- Every run that was begun, in a slot that was sold or outside the auction.
CREATE VIEW task_runs AS
SELECT c.slot_id AS run_id, 'auction' AS source, c.winning_task_id AS task_id, t.quest_id AS quest_id,
    COALESCE((
        SELECT w.account_id FROM leases l JOIN workers w ON w.worker_id = l.worker_id
        WHERE l.run_id = c.slot_id ORDER BY l.fence DESC LIMIT 1
    ), c.provider_id) AS agent_id,
    c.pool AS pool, c.status AS status,
    CASE WHEN c.cost_is_known = 1 THEN c.actual_cost_tokens END AS actual_cost_tokens,
    c.actual_impact AS actual_impact, c.slot_started_at AS started_at, c.slot_finished_at AS finished_at
FROM compute_auction_clears c LEFT JOIN tasks t ON t.task_id = c.winning_task_id
WHERE c.slot_started_at IS NOT NULL
UNION ALL
SELECT a.assignment_id, a.source, a.task_id, a.quest_id, a.agent_id, a.pool, a.status, a.actual_cost_tokens,
    a.actual_impact, a.started_at, a.finished_at
FROM task_assignments a WHERE a.started_at IS NOT NULL;

-- Keys by which clients of the API act, each for one account.

CREATE TABLE api_keys (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- Sorted, with a space between them.
    scopes TEXT NOT NULL CHECK (scopes <> ''),
    -- In hexadecimal. The secret itself is told once and kept nowhere.
    secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
    label TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    -- The key that this one was rotated into.
    successor_id TEXT COLLATE "C" REFERENCES api_keys (key_id)
);

CREATE INDEX api_keys_of_account ON api_keys (account_id);

-- When a key was last used, to the minute. Apart from the keys, so that writing it down never waits for whoever uses one.
CREATE TABLE api_key_uses (
    key_id TEXT COLLATE "C" PRIMARY KEY REFERENCES api_keys (key_id),
    last_used_at TIMESTAMPTZ NOT NULL
);

-- The journal's chain of digests, written down in steps behind the entries.

CREATE TABLE journal_seals (
    seal_number BIGINT PRIMARY KEY,
    -- The entries sealed by this step: those behind the last entry of the step before, up to this one.
    first_entry BIGINT NOT NULL,
    last_entry BIGINT NOT NULL CHECK (last_entry >= first_entry),
    entries BIGINT NOT NULL CHECK (entries > 0),
    -- The digest of the whole journal up to the last entry.
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    -- Each entry's number with the beginning of its own digest: it tells which entry was changed.
    marks TEXT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);

-- What was asked of the market's servers and refused, as the journal tells it.

CREATE TABLE refused_attempts (
    attempt_id BIGINT PRIMARY KEY,
    refused_at TIMESTAMPTZ NOT NULL,
    -- Whose key it was, and NULL where there was no key or none that is known.
    account_id TEXT,
    key_id TEXT,
    method TEXT NOT NULL,
    -- The route's address with its parameters' names, never what was sent in their place.
    route TEXT NOT NULL,
    status BIGINT NOT NULL CHECK (status BETWEEN 400 AND 599),
    error TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- Where from: an address of the network.
    place TEXT NOT NULL,
    -- How many this row tells of: one, or as many as came too quickly to be told one by one.
    attempts BIGINT NOT NULL CHECK (attempts > 0)
);

CREATE SEQUENCE attempt_numbers;

-- What is written once is changed by nothing and nobody.

CREATE FUNCTION refuse_to_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Of a market that was opened and not used yet the journal may be emptied, for another one to be replayed into it.
CREATE FUNCTION refuse_to_cut_the_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM journal WHERE verb <> 'open_market') THEN
        RAISE EXCEPTION 'journal is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER token_transfers_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON token_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER journal_keeps_what_it_says BEFORE UPDATE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER journal_keeps_all BEFORE DELETE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_cut_the_journal();

CREATE TRIGGER journal_seals_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER refused_attempts_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON refused_attempts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();
