-- name: add_attempt!
-- Note what was asked and refused.
INSERT INTO refused_attempts (
    attempt_id, refused_at, account_id, key_id, method, route, status, error, request_id, place, attempts
)
VALUES (
    :attempt_id, :refused_at, :account_id, :key_id, :method, :route, :status, :error, :request_id, :place, :attempts
);

-- name: attempts_page
-- Refused attempts before one, the latest first.
SELECT attempt_id, refused_at, account_id, key_id, method, route, status, error, request_id, place, attempts
FROM refused_attempts WHERE attempt_id < :before ORDER BY attempt_id DESC LIMIT :page;
