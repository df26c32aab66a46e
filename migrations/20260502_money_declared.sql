-- Allowances that winners declared for their slots, where the pool takes declarations.

CREATE TABLE IF NOT EXISTS declared_allowances (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    declared_tokens BIGINT NOT NULL CHECK (declared_tokens BETWEEN 1 AND 9007199254740991),
    declared_at TIMESTAMPTZ NOT NULL
);
