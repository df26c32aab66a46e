-- The journal's chain of digests, written down in steps behind the entries.

CREATE TABLE journal_seals (
    seal_number BIGINT PRIMARY KEY,
    -- The entries sealed by this step: those behind the last entry of the step before, up to this one.
    first_entry BIGINT NOT NULL,
    last_entry BIGINT NOT NULL CHECK (last_entry >= first_entry),
    entries BIGINT NOT NULL CHECK (entries > 0),
    -- The digest of the whole journal up to the last entry.
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    -- Each entry's number with the beginning of its own digest: it tells which entry was changed.
    marks TEXT NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);
