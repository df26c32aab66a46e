-- Accounts and the append-only double-entry transfers between them.

CREATE TABLE IF NOT EXISTS token_accounts (
    account_id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('system', 'agent', 'quest', 'worker', 'evaluator')),
    owner_id TEXT NOT NULL,
    balance_tokens BIGINT NOT NULL DEFAULT 0,
    held_tokens BIGINT NOT NULL DEFAULT 0,
    entries BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT balance_not_negative CHECK (balance_tokens >= 0 OR account_id = 'system:issuance'),
    CONSTRAINT held_within_balance CHECK (held_tokens = 0 OR (held_tokens > 0 AND held_tokens <= balance_tokens)),
    CONSTRAINT balance_within_supply CHECK (balance_tokens BETWEEN -9007199254740991 AND 9007199254740991)
);

CREATE TABLE IF NOT EXISTS token_transfers (
    transfer_id BIGINT PRIMARY KEY,
    debit_account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    credit_account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    amount_tokens BIGINT NOT NULL CHECK (amount_tokens BETWEEN 1 AND 9007199254740991),
    reason TEXT NOT NULL,
    debit_entry BIGINT NOT NULL,
    debit_balance_after BIGINT NOT NULL,
    credit_entry BIGINT NOT NULL,
    credit_balance_after BIGINT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT two_accounts CHECK (debit_account_id <> credit_account_id)
);

CREATE UNIQUE INDEX IF NOT EXISTS token_transfers_debits ON token_transfers (debit_account_id, debit_entry);
CREATE UNIQUE INDEX IF NOT EXISTS token_transfers_credits ON token_transfers (credit_account_id, credit_entry);

-- Every write of the exchange, with all it needs to be done again.
CREATE TABLE IF NOT EXISTS journal (
    entry_id BIGINT PRIMARY KEY,
    verb TEXT NOT NULL,
    actor TEXT NOT NULL,
    arguments TEXT NOT NULL,
    generated TEXT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);

-- The first answer to each idempotency key, and what was asked with it.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    scope TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    arguments_digest TEXT NOT NULL,
    answer TEXT,
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);
