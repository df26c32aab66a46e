-- Whether a run was judged: when an evaluator first said what it was worth, and until when one still may.

ALTER TABLE compute_auction_clears ADD COLUMN judged_at TIMESTAMPTZ;
ALTER TABLE compute_auction_clears ADD COLUMN attest_ends_at TIMESTAMPTZ;

-- Of runs that were settled before, nobody waits for a verdict any more.
UPDATE compute_auction_clears SET attest_ends_at = slot_finished_at WHERE status = 'settled';

UPDATE compute_auction_clears SET judged_at = (
    SELECT MIN(a.made_at) FROM compute_auction_attestations a
    WHERE a.slot_id = compute_auction_clears.slot_id AND a.attested_by IS NOT NULL AND a.actual_impact IS NOT NULL
) WHERE status = 'settled';

-- What a bidder's record rests on, the newest first; and what may still come to it.
DROP INDEX compute_auction_clears_settled;
CREATE INDEX compute_auction_clears_judged
    ON compute_auction_clears (bidder_id, slot_finished_at) WHERE judged_at IS NOT NULL;
CREATE INDEX compute_auction_clears_unjudged
    ON compute_auction_clears (bidder_id, attest_ends_at) WHERE status = 'settled' AND judged_at IS NULL;

-- How long after a run was settled an evaluator may still judge it, where that is not as its pool is set to.
CREATE TABLE evaluators (
    evaluator_id TEXT COLLATE "C" PRIMARY KEY REFERENCES token_accounts (account_id),
    attest_within_hours DOUBLE PRECISION NOT NULL CHECK (attest_within_hours BETWEEN 0 AND 8784),
    changed_at TIMESTAMPTZ NOT NULL
);
