-- How runs end, and what is paused when they are interrupted.

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

-- How often in a row a task's run ended with its worker.
CREATE TABLE task_losses (
    task_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tasks (task_id),
    losses BIGINT NOT NULL CHECK (losses > 0)
);

-- The account at a provider of models that a worker's runs draw on, with others; '' where none is named.
ALTER TABLE workers ADD COLUMN draws_on TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Why a worker was stopped by the market; it is not alive again by itself.
ALTER TABLE workers ADD COLUMN stopped_because TEXT NOT NULL DEFAULT '';

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
