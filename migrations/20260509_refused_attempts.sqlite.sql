-- Numbers drawn by the one writer.

INSERT INTO number_series (series, last_number) VALUES ('attempt_numbers', 0);
