-- The words about a provider make this index a provider's own: what looks for a bidder's slots is never planned with it.
DROP INDEX compute_auction_clears_waiting;
CREATE INDEX compute_auction_clears_waiting
    ON compute_auction_clears (provider_id, pool, round_id, slot_id) WHERE status = 'won' AND provider_id <> '';

DROP VIEW compute_auction_won_slots;
CREATE VIEW compute_auction_won_slots AS
SELECT bidder_id AS account_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND slot_finished_at IS NULL AND status = 'won'
UNION
SELECT provider_id, slot_id, winning_task_id, pool, round_id, bid_id FROM compute_auction_clears
WHERE status = 'won' AND provider_id <> '' AND provider_id <> 'system:treasury';
