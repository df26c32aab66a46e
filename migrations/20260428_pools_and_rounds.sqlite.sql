-- Numbers drawn by the one writer.

CREATE TABLE IF NOT EXISTS number_series (
    series TEXT PRIMARY KEY,
    last_number INTEGER NOT NULL
) STRICT;

INSERT OR IGNORE INTO number_series (series, last_number)
VALUES ('bid_numbers', 0), ('slot_numbers', 0), ('round_numbers', 0), ('transfer_numbers', 0);
