-- name: append_journal!
-- Add a write to the journal; SQLite numbers it next after the last.
INSERT INTO journal (verb, actor, arguments, generated, made_at)
VALUES (:verb, :actor, :arguments, :generated, :made_at);

-- name: journal_writers
-- No transaction: the one writer commits entries in the order of their numbers, so none comes before one that is there.
SELECT '' AS virtualtransaction WHERE 1 = 0;
