-- The shape of these indexes in a market of some age.

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES
('compute_auction_rounds', 'compute_auction_rounds_of_pool', '100000 25000 1'),
('compute_auction_rounds', 'compute_auction_rounds_in_order', '100000 25000 1');

ANALYZE sqlite_schema;
