-- What the floor gives away counts in its quest's record of claims, though nobody bid for it.

-- Slots that the floor gave away.
CREATE TABLE IF NOT EXISTS floor_gifts (
    slot_id TEXT COLLATE "C" PRIMARY KEY REFERENCES compute_auction_clears (slot_id),
    -- What its quest claimed of the task then: whoever raises or lowers it later changes no record.
    claimed_usd DOUBLE PRECISION NOT NULL CHECK (claimed_usd >= 0)
);
