-- name: append_journal!
-- Add a write to the journal under the next number.
INSERT INTO journal (entry_id, verb, actor, arguments, generated, made_at)
VALUES (nextval('journal_numbers'), :verb, :actor, :arguments, :generated, :made_at);

-- name: journal_writers
-- The transactions that have drawn a number of the journal and have not ended. Drawing one locks the sequence until then;
-- a transaction may have no id yet when it draws, so no snapshot tells of it.
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND relation = CAST('journal_numbers' AS regclass)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
