-- What was asked of the market's servers and refused, as the journal tells it.

CREATE TABLE refused_attempts (
    attempt_id BIGINT PRIMARY KEY,
    refused_at TIMESTAMPTZ NOT NULL,
    -- Whose key it was, and NULL where there was no key or none that is known.
    account_id TEXT,
    key_id TEXT,
    method TEXT NOT NULL,
    -- The route's address with its parameters' names, never what was sent in their place.
    route TEXT NOT NULL,
    status BIGINT NOT NULL CHECK (status BETWEEN 400 AND 599),
    error TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- Where from: an address of the network.
    place TEXT NOT NULL,
    -- How many this row tells of: one, or as many as came too quickly to be told one by one.
    attempts BIGINT NOT NULL CHECK (attempts > 0)
);
