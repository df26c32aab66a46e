-- What runs used and wrote, and the pull requests that came of them. A run is a slot that was sold, or an assignment.

-- What a run used by each word on it, the latest counting; what is not known is NULL.
CREATE TABLE IF NOT EXISTS run_usages (
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
    PRIMARY KEY (run_id, revision),
    CONSTRAINT known_or_none CHECK ((provenance = 'none') = (tokens IS NULL AND cost_usd IS NULL)),
    CONSTRAINT cost_known_or_none CHECK ((cost_provenance = 'none') = (cost_usd IS NULL))
);

-- How a run ended, and the last of what it wrote.
CREATE TABLE IF NOT EXISTS run_outputs (
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
CREATE TABLE IF NOT EXISTS run_pull_requests (
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

CREATE INDEX IF NOT EXISTS run_pull_requests_by_url ON run_pull_requests (url);

-- 0 where a settled slot's cost is not known: actual_cost_tokens is then 0 here, and no cost to whoever reads it.
ALTER TABLE compute_auction_clears
    ADD COLUMN cost_is_known BIGINT NOT NULL DEFAULT 1 CHECK (cost_is_known IN (0, 1));

-- Finished runs are looked for by the time of their end.
CREATE INDEX IF NOT EXISTS compute_auction_clears_finished
    ON compute_auction_clears (slot_finished_at) WHERE slot_started_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS task_assignments_finished
    ON task_assignments (finished_at) WHERE started_at IS NOT NULL;

-- Every run that was begun, in a slot that was sold or without a sale.
CREATE VIEW task_runs AS
    SELECT c.slot_id AS run_id, 'auction' AS source, c.winning_task_id AS task_id, t.quest_id AS quest_id,
        c.provider_id AS agent_id, c.pool AS pool, c.status AS status,
        CASE WHEN c.cost_is_known = 1 THEN c.actual_cost_tokens END AS actual_cost_tokens,
        c.actual_impact AS actual_impact, c.slot_started_at AS started_at, c.slot_finished_at AS finished_at
    FROM compute_auction_clears c LEFT JOIN tasks t ON t.task_id = c.winning_task_id
    WHERE c.slot_started_at IS NOT NULL
    UNION ALL
    SELECT a.assignment_id, a.source, a.task_id, a.quest_id, a.agent_id, a.pool, a.status, a.actual_cost_tokens,
        a.actual_impact, a.started_at, a.finished_at
    FROM task_assignments a WHERE a.started_at IS NOT NULL;
