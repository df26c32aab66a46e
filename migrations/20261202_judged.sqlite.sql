-- The shape of a full book's new indexes.

DELETE FROM sqlite_stat1 WHERE idx = 'compute_auction_clears_settled';

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES
('compute_auction_clears', 'compute_auction_clears_judged', '1000000 1000 1'),
('compute_auction_clears', 'compute_auction_clears_unjudged', '1000000 1000 1');

ANALYZE sqlite_schema;
