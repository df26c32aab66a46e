-- Keys by which clients of the API act, each for one account.

CREATE TABLE IF NOT EXISTS api_keys (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- Sorted, with a space between them.
    scopes TEXT NOT NULL CHECK (scopes <> ''),
    -- In hexadecimal. The secret itself is told once and kept nowhere.
    secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
    label TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    -- The key that this one was rotated into.
    successor_id TEXT COLLATE "C" REFERENCES api_keys (key_id)
);

CREATE INDEX IF NOT EXISTS api_keys_of_account ON api_keys (account_id);

-- When a key was last used, to the minute. Apart from the keys, so that writing it down never waits for whoever uses one.
CREATE TABLE IF NOT EXISTS api_key_uses (
    key_id TEXT COLLATE "C" PRIMARY KEY REFERENCES api_keys (key_id),
    last_used_at TIMESTAMPTZ NOT NULL
);
