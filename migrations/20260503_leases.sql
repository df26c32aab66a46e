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
    ended_at TIMESTAMPTZ
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

CREATE INDEX leases_of_worker ON leases (worker_id, fence);

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

-- Slots that an account provides and that nobody has started. Its predicate is its own: a read that looks for a task's
-- live slot must not be planned with it while the table is empty.
CREATE INDEX compute_auction_clears_live_provider
    ON compute_auction_clears (provider_id) WHERE status = 'won';

-- Leases as they stand, with what their heartbeats said so far.
CREATE VIEW lease_states AS
SELECT l.fence, l.run_id, l.source, l.task_id, l.worker_id, w.account_id, l.lease_seconds, l.status, l.leased_at,
    COALESCE(h.ends_at, l.ends_at) AS ends_at, l.ended_at, COALESCE(h.heartbeats, l.heartbeats) AS heartbeats,
    COALESCE(h.last_heartbeat_at, l.last_heartbeat_at) AS last_heartbeat_at,
    COALESCE(h.started_at, l.started_at) AS started_at, COALESCE(h.exited_at, l.exited_at) AS exited_at,
    COALESCE(h.metered_at, l.metered_at) AS metered_at, COALESCE(h.exit_note, l.exit_note) AS exit_note,
    COALESCE(h.usage_note, l.usage_note) AS usage_note
FROM leases l JOIN workers w ON w.worker_id = l.worker_id LEFT JOIN lease_heartbeats h ON h.fence = l.fence;
