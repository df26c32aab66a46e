-- name: append_journal!
-- Add a write to the journal under the next number.
INSERT INTO journal (entry_id, verb, actor, arguments, generated, made_at)
VALUES (nextval('journal_numbers'), :verb, :actor, :arguments, :generated, :made_at);

-- name: journal_horizon
-- The oldest transaction that is not decided, and the next one to begin: entries of older ones are there, or never will be.
SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS oldest,
    CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next;
