-- Numbers drawn by the one writer, and the shape of a full book's new index.

INSERT OR IGNORE INTO number_series (series, last_number) VALUES ('fence_numbers', 0);

INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES ('compute_auction_clears', 'compute_auction_clears_live_provider', '10000 10');

ANALYZE sqlite_schema;
