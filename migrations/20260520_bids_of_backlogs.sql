-- Bids that the market places for a quest's backlog, and cuts or cancels as the backlog and the wallet change. A bid that
-- was placed or amended by hand is not one of them.
ALTER TABLE compute_auction_bids ADD COLUMN for_backlog BIGINT NOT NULL DEFAULT 0 CHECK (for_backlog IN (0, 1));

CREATE INDEX compute_auction_bids_for_backlog
    ON compute_auction_bids (pool, round_id, bidder_id) WHERE status = 'open' AND for_backlog = 1;
