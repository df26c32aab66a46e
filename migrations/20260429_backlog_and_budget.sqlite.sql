-- Numbers drawn by the one writer.

INSERT OR IGNORE INTO number_series (series, last_number) VALUES ('assignment_numbers', 0);
