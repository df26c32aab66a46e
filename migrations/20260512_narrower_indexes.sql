-- What a sale is written into: indexes that hold no row which nobody looks for there.

-- Live slots are those that have not ended. The words about their end make this predicate its own: a read that looks
-- for a task's live slot must not be planned with this index while the table is small.
DROP INDEX compute_auction_clears_live_bidder;
CREATE INDEX compute_auction_clears_live_bidder
    ON compute_auction_clears (bidder_id) WHERE status IN ('won', 'running') AND slot_finished_at IS NULL;

-- The treasury runs nothing, and sells most: nobody looks for the slots that it provides.
DROP INDEX compute_auction_clears_live_provider;
CREATE INDEX compute_auction_clears_live_provider
    ON compute_auction_clears (provider_id) WHERE status = 'won' AND provider_id <> 'system:treasury';

-- Of the runs that ended, each has begun.
DROP INDEX compute_auction_clears_finished;
CREATE INDEX compute_auction_clears_finished
    ON compute_auction_clears (slot_finished_at) WHERE slot_finished_at IS NOT NULL;

-- Slots won and not started yet, by the accounts that may run them: whoever bought one, and whoever provides it but the
-- treasury. Each part repeats the predicate of its own index.
CREATE VIEW compute_auction_won_slots AS
SELECT bidder_id AS account_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND slot_finished_at IS NULL AND status = 'won'
UNION
SELECT provider_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status = 'won' AND provider_id <> 'system:treasury';
