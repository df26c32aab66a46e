-- What each account got of a day's bucket by priority, so that a quest that joins that day is paid its part at once, and
-- priorities set after the first payment correct it.

CREATE TABLE income_parts (
    pool TEXT COLLATE "C" NOT NULL REFERENCES compute_auction_pools (pool),
    day TEXT NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES token_accounts (account_id),
    -- Who it counts for: its owner, or where the pool pays by quest the account itself.
    earner TEXT COLLATE "C" NOT NULL,
    -- The priority that it was paid by.
    priority BIGINT NOT NULL CHECK (priority >= 0),
    tokens BIGINT NOT NULL CHECK (tokens >= 0),
    -- When it joined; NULL where it was there at the first payment.
    joined_at TIMESTAMPTZ,
    -- 1 once a later priority has corrected it: that happens once a day.
    corrected BIGINT NOT NULL DEFAULT 0 CHECK (corrected IN (0, 1)),
    PRIMARY KEY (pool, day, account_id)
);

-- What of the bucket goes by priority; NULL of days that were paid before this was kept.
ALTER TABLE income_runs ADD COLUMN base_tokens BIGINT CHECK (base_tokens >= 0);
