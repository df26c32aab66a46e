-- name: draw_numbers
-- Take the next numbers of a series.
SELECT nextval(CAST(:series AS regclass)) FROM generate_series(1, CAST(:count AS bigint));

-- name: note_numbers
-- Never draw this number, or a smaller one, again.
SELECT setval(CAST(:series AS regclass), GREATEST(CAST(:last AS bigint), nextval(CAST(:series AS regclass)) - 1, 1));

-- name: lock_shared
-- Hold a named lock together with others until this transaction ends.
SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 7303));

-- name: lock_exclusive
-- Hold a named lock alone until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(:name, 7303));
