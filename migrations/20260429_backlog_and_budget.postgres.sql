-- Numbers drawn by many writers at once.

CREATE SEQUENCE IF NOT EXISTS assignment_numbers;
