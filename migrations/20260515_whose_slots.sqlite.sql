-- The shape of a full book's new index.

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES ('compute_auction_clears', 'compute_auction_clears_waiting', '10000 10000 10000 1000 1');

ANALYZE sqlite_schema;
