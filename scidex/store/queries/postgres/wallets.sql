-- name: save_accounts!
-- Store locked accounts again.
UPDATE token_accounts a
SET balance_tokens = n.balance_tokens, held_tokens = n.held_tokens, entries = n.entries
FROM unnest(CAST(:account_id AS text[]), CAST(:balance_tokens AS bigint[]), CAST(:held_tokens AS bigint[]),
    CAST(:entries AS bigint[])) AS n (account_id, balance_tokens, held_tokens, entries)
WHERE a.account_id = n.account_id;

-- name: save_bid_holds!
-- Store what the bids of locked accounts set aside.
INSERT INTO token_bid_holds (account_id, pool, round_id, round_tokens, resting_tokens, suspended_bids)
SELECT * FROM unnest(CAST(:account_id AS text[]), CAST(:pool AS text[]), CAST(:round_id AS bigint[]),
    CAST(:round_tokens AS bigint[]), CAST(:resting_tokens AS bigint[]), CAST(:suspended_bids AS bigint[]))
ON CONFLICT (account_id, pool) DO UPDATE SET
    round_id = excluded.round_id, round_tokens = excluded.round_tokens,
    resting_tokens = excluded.resting_tokens, suspended_bids = excluded.suspended_bids;

-- name: append_transfers!
-- Add movements of tokens.
INSERT INTO token_transfers (transfer_id, debit_account_id, credit_account_id, amount_tokens, reason,
    debit_entry, debit_balance_after, credit_entry, credit_balance_after, made_at)
SELECT * FROM unnest(CAST(:transfer_id AS bigint[]), CAST(:debit_account_id AS text[]),
    CAST(:credit_account_id AS text[]), CAST(:amount_tokens AS bigint[]), CAST(:reason AS text[]),
    CAST(:debit_entry AS bigint[]), CAST(:debit_balance_after AS bigint[]), CAST(:credit_entry AS bigint[]),
    CAST(:credit_balance_after AS bigint[]), CAST(:made_at AS timestamptz[]));
