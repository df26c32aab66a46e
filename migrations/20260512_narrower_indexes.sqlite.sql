-- The shape of a full book's indexes, which went with those that were dropped.

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES
('compute_auction_clears', 'compute_auction_clears_live_bidder', '10000 10'),
('compute_auction_clears', 'compute_auction_clears_live_provider', '10000 10');

ANALYZE sqlite_schema;
