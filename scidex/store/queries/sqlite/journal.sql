-- name: append_journal!
-- Add a write to the journal; SQLite numbers it next after the last.
INSERT INTO journal (verb, actor, arguments, generated, made_at)
VALUES (:verb, :actor, :arguments, :generated, :made_at);

-- name: journal_horizon
-- The one writer commits entries in the order of their numbers, so none is still to come before one that is there.
SELECT 1 AS oldest, 0 AS next;
