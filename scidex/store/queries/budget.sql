-- name: allocations_of_day
-- What quests may use of a day's bucket, and have used.
SELECT quest_id, allocated_tokens, used_tokens FROM quest_budget_allocations WHERE day = :day;

-- name: save_allocations!
-- Store what quests may use of a day's bucket, and what they used more.
INSERT INTO quest_budget_allocations (day, quest_id, allocated_tokens, used_tokens, updated_at)
VALUES (:day, :quest_id, :allocated_tokens, :used_more_tokens, :updated_at)
ON CONFLICT (day, quest_id) DO UPDATE SET allocated_tokens = excluded.allocated_tokens,
    used_tokens = quest_budget_allocations.used_tokens + excluded.used_tokens, updated_at = excluded.updated_at;

-- name: correct_used!
-- Replace an estimate by what was used in fact.
UPDATE quest_budget_allocations SET used_tokens = used_tokens - :charged_tokens + :actual_cost_tokens,
    updated_at = :now
WHERE day = :day AND quest_id = :quest_id;

-- name: claim_income!
-- Note a day's income of a pool; no row is changed where it was paid before.
INSERT INTO income_runs (pool, day, bucket_tokens, paid_tokens, paid_at)
VALUES (:pool, :day, :bucket_tokens, :paid_tokens, :paid_at)
ON CONFLICT (pool, day) DO NOTHING;

-- name: income_of_day
-- A day's income of a pool.
SELECT bucket_tokens, paid_tokens, paid_at FROM income_runs WHERE pool = :pool AND day = :day;

-- name: issued_tokens
-- Tokens in circulation.
SELECT -balance_tokens FROM token_accounts WHERE account_id = 'system:issuance';

-- name: refills_of
-- What each word on a slot's impact made due, in order.
SELECT revision, account_id, due_tokens, minted_tokens, burnt_tokens, arrears_after FROM token_refills
WHERE slot_id = :slot_id ORDER BY revision;

-- name: append_refill!
-- Keep what a word on a slot's impact made due.
INSERT INTO token_refills (slot_id, revision, account_id, due_tokens, minted_tokens, burnt_tokens, arrears_after,
    made_at)
VALUES (:slot_id, :revision, :account_id, :due_tokens, :minted_tokens, :burnt_tokens, :arrears_after, :made_at);

-- name: arrears_of
-- What an account owes of refills that were taken back.
SELECT owed_tokens FROM token_arrears WHERE account_id = :account_id;

-- name: save_arrears!
-- Store what an account owes of refills that were taken back.
INSERT INTO token_arrears (account_id, owed_tokens) VALUES (:account_id, :owed_tokens)
ON CONFLICT (account_id) DO UPDATE SET owed_tokens = excluded.owed_tokens;
