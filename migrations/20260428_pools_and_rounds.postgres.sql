-- Numbers drawn by many writers at once.

CREATE SEQUENCE IF NOT EXISTS bid_numbers;
CREATE SEQUENCE IF NOT EXISTS slot_numbers;
CREATE SEQUENCE IF NOT EXISTS round_numbers;
CREATE SEQUENCE IF NOT EXISTS transfer_numbers;
CREATE SEQUENCE IF NOT EXISTS journal_numbers;
