-- Numbers drawn by many writers at once.

CREATE SEQUENCE IF NOT EXISTS fence_numbers;
