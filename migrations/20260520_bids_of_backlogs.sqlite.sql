-- The shape of a full book's index, for the planner.
INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES ('compute_auction_bids', 'compute_auction_bids_for_backlog', '100000 10000 10000 20');

ANALYZE sqlite_schema;
