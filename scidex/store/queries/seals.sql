-- name: last_seal
-- The step of the journal's chain that was made last.
SELECT seal_number, last_entry, digest FROM journal_seals ORDER BY seal_number DESC LIMIT 1;

-- name: digest_of_seal
-- The digest of the journal up to the end of a seal.
SELECT digest FROM journal_seals WHERE seal_number = :seal_number;

-- name: add_seal!
-- Seal entries; no row is changed where somebody else was sooner.
INSERT INTO journal_seals (seal_number, first_entry, last_entry, entries, digest, marks, made_at)
VALUES (:seal_number, :first_entry, :last_entry, :entries, :digest, :marks, :made_at)
ON CONFLICT (seal_number) DO NOTHING;

-- name: seals_after
-- A page of the journal's chain.
SELECT seal_number, first_entry, last_entry, entries, digest, marks
FROM journal_seals WHERE seal_number > :seal_number ORDER BY seal_number LIMIT :page;

-- name: journal_between
-- Entries behind one and up to another as they are stored.
SELECT entry_id, verb, actor, arguments, generated, made_at
FROM journal WHERE entry_id > :after AND entry_id <= :last ORDER BY entry_id LIMIT :page;

-- name: journal_rows_after
-- How many entries there are behind one.
SELECT COUNT(*) FROM journal WHERE entry_id > :after;
