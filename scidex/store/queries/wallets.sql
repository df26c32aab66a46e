-- name: lock_accounts
-- Lock accounts in the order of their ids, so that writers that share some queue and never deadlock.
SELECT account_id, kind, owner_id, balance_tokens, held_tokens, entries
FROM token_accounts WHERE account_id IN each_text(:account_ids)
ORDER BY account_id FOR UPDATE;

-- name: bid_holds_of
-- What the bids of these accounts set aside, with the open round of each pool.
SELECT h.account_id, h.pool, h.round_id, h.round_tokens, h.resting_tokens, h.suspended_bids, p.open_round_id
FROM token_bid_holds h JOIN compute_auction_pools p ON p.pool = h.pool
WHERE h.account_id IN each_text(:account_ids);

-- name: keep_rounds_open
-- The open rounds of pools, kept from ending until this has committed.
SELECT pool, open_round_id FROM compute_auction_pools WHERE pool IN each_text(:pools) ORDER BY pool FOR SHARE;

-- name: save_accounts!
-- Store locked accounts again.
UPDATE token_accounts SET balance_tokens = :balance_tokens, held_tokens = :held_tokens, entries = :entries
WHERE account_id = :account_id;

-- name: save_bid_holds!
-- Store what the bids of locked accounts set aside.
INSERT INTO token_bid_holds (account_id, pool, round_id, round_tokens, resting_tokens, suspended_bids)
VALUES (:account_id, :pool, :round_id, :round_tokens, :resting_tokens, :suspended_bids)
ON CONFLICT (account_id, pool) DO UPDATE SET
    round_id = excluded.round_id, round_tokens = excluded.round_tokens,
    resting_tokens = excluded.resting_tokens, suspended_bids = excluded.suspended_bids;

-- name: add_account!
-- Open an account.
INSERT INTO token_accounts (account_id, kind, owner_id, created_at)
VALUES (:account_id, :kind, :owner_id, :created_at)
ON CONFLICT (account_id) DO NOTHING;

-- name: append_transfers!
-- Add movements of tokens.
INSERT INTO token_transfers (transfer_id, debit_account_id, credit_account_id, amount_tokens, reason,
    debit_entry, debit_balance_after, credit_entry, credit_balance_after, made_at)
VALUES (:transfer_id, :debit_account_id, :credit_account_id, :amount_tokens, :reason,
    :debit_entry, :debit_balance_after, :credit_entry, :credit_balance_after, :made_at);

-- name: account
-- One account.
SELECT account_id, kind, owner_id, created_at FROM token_accounts WHERE account_id = :account_id;

-- name: wallet
-- One wallet as it stands.
SELECT account_id, balance_tokens, held_tokens FROM token_wallets WHERE account_id = :account_id;

-- name: wallets_page
-- Wallets as they stand, in the order of their ids.
SELECT account_id, kind, owner_id, balance_tokens AS balance, held_tokens AS held FROM token_wallets
WHERE account_id > :after ORDER BY account_id LIMIT :page;

-- name: accounts_page
-- Accounts in the order of their ids.
SELECT account_id, kind, owner_id, created_at FROM token_accounts
WHERE account_id > :after ORDER BY account_id LIMIT :page;

-- name: transfers_of_account
-- An account's movements, newest first.
SELECT transfer_id, debit_account_id, credit_account_id, amount_tokens, reason,
    debit_entry, debit_balance_after, credit_entry, credit_balance_after, made_at
FROM token_transfers
WHERE (debit_account_id = :account_id OR credit_account_id = :account_id) AND transfer_id < :before
ORDER BY transfer_id DESC LIMIT :page;

-- name: transfers_after
-- A page of all movements, in the order in which they were made.
SELECT transfer_id, debit_account_id, credit_account_id, amount_tokens, reason,
    debit_entry, debit_balance_after, credit_entry, credit_balance_after, made_at
FROM token_transfers WHERE transfer_id > :after ORDER BY transfer_id LIMIT :page;

-- name: count_books
-- How many accounts and transfers there are, what was minted less what was burnt, and what is held.
SELECT
    (SELECT COUNT(*) FROM token_accounts) AS accounts,
    (SELECT COUNT(*) FROM token_transfers) AS transfers,
    (SELECT CAST(COALESCE(-SUM(balance_tokens), 0) AS BIGINT) FROM token_accounts
        WHERE account_id = 'system:issuance') AS minted,
    (SELECT CAST(COALESCE(SUM(held_tokens), 0) AS BIGINT) FROM token_wallets) AS held;

-- name: sum_of_balances
-- Zero, if tokens move in pairs.
SELECT CAST(COALESCE(SUM(balance_tokens), 0) AS BIGINT) AS total FROM token_accounts;

-- name: balances_unlike_transfers
-- Accounts whose balance or number of entries is not that of their transfers.
SELECT a.account_id, a.balance_tokens, a.entries,
    CAST(COALESCE(t.total, 0) AS BIGINT) AS moved, COALESCE(t.entries, 0) AS counted
FROM token_accounts a
LEFT JOIN (
    SELECT account_id, SUM(amount) AS total, COUNT(*) AS entries FROM (
        SELECT debit_account_id AS account_id, -amount_tokens AS amount FROM token_transfers
        UNION ALL
        SELECT credit_account_id, amount_tokens FROM token_transfers
    ) AS moves GROUP BY account_id
) AS t ON t.account_id = a.account_id
WHERE a.balance_tokens <> COALESCE(t.total, 0) OR a.entries <> COALESCE(t.entries, 0)
LIMIT 100;

-- name: broken_entry_chains
-- Entries whose balance is not that of the entry before and their own amount, or that follow no entry.
SELECT account_id, entry FROM (
    SELECT account_id, entry, balance_after, amount,
        COALESCE(LAG(balance_after) OVER (PARTITION BY account_id ORDER BY entry), 0) AS balance_before,
        COALESCE(LAG(entry) OVER (PARTITION BY account_id ORDER BY entry), 0) AS entry_before
    FROM (
        SELECT debit_account_id AS account_id, debit_entry AS entry, debit_balance_after AS balance_after,
            -amount_tokens AS amount FROM token_transfers
        UNION ALL
        SELECT credit_account_id, credit_entry, credit_balance_after, amount_tokens FROM token_transfers
    ) AS entries
) AS chained
WHERE balance_after <> balance_before + amount OR entry <> entry_before + 1
LIMIT 100;

-- name: holds_unlike_wallets
-- Wallets whose held tokens are not the sum of their holds.
SELECT w.account_id, w.held_tokens, CAST(COALESCE(h.total, 0) AS BIGINT) AS holds
FROM token_wallets w
LEFT JOIN (SELECT account_id, SUM(tokens) AS total FROM token_holds GROUP BY account_id) AS h
    ON h.account_id = w.account_id
WHERE w.held_tokens <> COALESCE(h.total, 0)
LIMIT 100;

-- name: negative_wallets
-- Wallets that owe, or hold more than they have.
SELECT account_id, balance_tokens, held_tokens FROM token_wallets
WHERE account_id <> 'system:issuance' AND (balance_tokens < 0 OR held_tokens < 0 OR held_tokens > balance_tokens)
LIMIT 100;

-- name: accounts_with_suspended_bids
-- Accounts that have bids in a pool waiting for their wallet to cover them.
SELECT account_id FROM token_bid_holds WHERE pool = :pool AND suspended_bids > 0 ORDER BY account_id;
