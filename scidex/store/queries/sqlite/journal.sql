-- name: append_journal!
-- Add a write to the journal; SQLite numbers it next after the last.
INSERT INTO journal (verb, actor, arguments, generated, made_at)
VALUES (:verb, :actor, :arguments, :generated, :made_at);
