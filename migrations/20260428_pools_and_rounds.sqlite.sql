-- Numbers drawn by the one writer.

CREATE TABLE IF NOT EXISTS number_series (
    series TEXT PRIMARY KEY,
    last_number INTEGER NOT NULL
) STRICT;

INSERT OR IGNORE INTO number_series (series, last_number)
VALUES ('bid_numbers', 0), ('slot_numbers', 0), ('round_numbers', 0), ('transfer_numbers', 0);

-- The shape of a full book. Without it the planner would look for one bidder's bids among all that are open.
ANALYZE;

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES
('compute_auction_bids', 'compute_auction_bids_status_price', '1000000 250000 5'),
('compute_auction_bids', 'compute_auction_bids_book', '1000000 500000 1000 3 1'),
('compute_auction_bids', 'compute_auction_bids_of_bidder', '1000000 500 200 20 2'),
('compute_auction_bids', 'compute_auction_bids_waiting', '10000 5000 1000 3 1'),
('compute_auction_bids', 'compute_auction_bids_suspended', '100 5 3'),
('compute_auction_bids', 'compute_auction_bids_for_task', '1000000 4 3 2 1'),
('compute_auction_bids', 'compute_auction_bids_expiry', '1000000 500000 1000 5'),
('compute_auction_clears', 'compute_auction_clears_bid', '1000000 1'),
('compute_auction_clears', 'compute_auction_clears_live_task', '10000 1'),
('compute_auction_clears', 'compute_auction_clears_live_bidder', '10000 10'),
('compute_auction_clears', 'compute_auction_clears_round', '1000000 10');

ANALYZE sqlite_schema;
