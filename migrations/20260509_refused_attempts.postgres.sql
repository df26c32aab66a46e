-- Numbers drawn by many writers at once.

CREATE SEQUENCE attempt_numbers;
