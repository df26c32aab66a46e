-- The shape of a long record, for the planner.

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES ('compute_auction_clears', 'compute_auction_clears_settled', '1000000 1000 1');

ANALYZE sqlite_schema;
