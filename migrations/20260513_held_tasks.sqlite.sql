-- A task may be held: kept from the market until someone says otherwise, with the reason. SQLite cannot change a
-- CHECK, so the table is made again; what refers to it is checked at the end of the transaction.

PRAGMA defer_foreign_keys = ON;

CREATE TABLE tasks_before AS SELECT * FROM tasks;

DROP TABLE tasks;

CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    quest_id TEXT NOT NULL REFERENCES quests (quest_id),
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'blocked', 'running', 'done', 'failed', 'held')),
    expected_value_usd REAL NOT NULL CHECK (expected_value_usd BETWEEN 0 AND 1e15),
    estimated_cost_tokens INTEGER CHECK (estimated_cost_tokens BETWEEN 0 AND 9007199254740991),
    pool TEXT NOT NULL REFERENCES compute_auction_pools (pool),
    payload TEXT NOT NULL,
    deadline_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- Why it is held or failed, where that was said.
    status_reason TEXT NOT NULL DEFAULT '',
    -- Who gave it its status: the market by running it, an operator by hand, or the source that it was imported from.
    status_by TEXT NOT NULL DEFAULT 'market' CHECK (status_by IN ('market', 'operator', 'source')),
    -- A group, such as an epic with open children, is listed but never bid for and never run.
    kind TEXT NOT NULL DEFAULT 'task' CHECK (kind IN ('task', 'group'))
) STRICT;

INSERT INTO tasks (task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload,
    deadline_at, attempts, created_at, updated_at)
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload,
    deadline_at, attempts, created_at, updated_at
FROM tasks_before;

DROP TABLE tasks_before;

CREATE INDEX tasks_of_quest ON tasks (quest_id, status);
