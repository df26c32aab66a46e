-- name: database_time
-- What the database's own clock says.
SELECT clock_timestamp() AS read_at;

-- name: announce
-- Tell whoever listens, when this transaction has committed.
SELECT pg_notify('scidex', :topic);
