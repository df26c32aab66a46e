-- name: restore_journal!
-- Add a write to the journal under the number it had.
INSERT INTO journal (entry_id, verb, actor, arguments, generated, made_at)
VALUES (:entry_id, :verb, :actor, :arguments, :generated, :made_at);

-- name: journal_after
-- A page of the journal.
SELECT entry_id, verb, actor, arguments, generated, made_at
FROM journal WHERE entry_id > :entry_id ORDER BY entry_id LIMIT :page;

-- name: claim_key!
-- Take an idempotency key; no row is changed where somebody has it.
INSERT INTO idempotency_keys (scope, idempotency_key, arguments_digest, made_at)
VALUES (:scope, :idempotency_key, :arguments_digest, :made_at)
ON CONFLICT (scope, idempotency_key) DO NOTHING;

-- name: forget_key!
-- Give an idempotency key back.
DELETE FROM idempotency_keys WHERE scope = :scope AND idempotency_key = :idempotency_key;

-- name: store_answer!
-- Keep the first answer to a key.
UPDATE idempotency_keys SET answer = :answer WHERE scope = :scope AND idempotency_key = :idempotency_key;

-- name: answer_of_key
-- The first answer to a key.
SELECT arguments_digest, answer FROM idempotency_keys
WHERE scope = :scope AND idempotency_key = :idempotency_key;

-- name: verbs_journaled
-- What has been done in this database.
SELECT DISTINCT verb FROM journal LIMIT 2;

-- name: forget_journal!
-- Empty the journal of a market that was opened and not used.
DELETE FROM journal;

-- name: forget_pools!
-- Close the pools of a market that was opened and not used.
DELETE FROM compute_auction_pools;

-- name: forget_accounts!
-- Close the accounts of a market that was opened and not used.
DELETE FROM token_accounts;

-- name: journal_news
-- A page of the journal for those who watch it; what is long is not for them.
SELECT entry_id, verb, actor, made_at, CASE WHEN length(arguments) < 2000 THEN arguments ELSE '{}' END AS arguments
FROM journal WHERE entry_id > :entry_id AND entry_id <= :last ORDER BY entry_id LIMIT :page;

-- name: journal_numbers_after
-- The numbers of the entries after one.
SELECT entry_id FROM journal WHERE entry_id > :entry_id ORDER BY entry_id LIMIT :page;

-- name: last_journal_number
-- The number of the last entry.
SELECT COALESCE(MAX(entry_id), 0) AS entry_id FROM journal;
