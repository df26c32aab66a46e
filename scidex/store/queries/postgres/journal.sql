-- name: append_journal!
-- Add a write to the journal under the next number.
INSERT INTO journal (entry_id, verb, actor, arguments, generated, made_at)
VALUES (nextval('journal_numbers'), :verb, :actor, :arguments, :generated, :made_at);
