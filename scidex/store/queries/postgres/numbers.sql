-- name: draw_numbers
-- Take the next numbers of a series.
SELECT nextval(CAST(:series AS regclass)) FROM generate_series(1, CAST(:count AS bigint));

-- name: note_numbers
-- Never draw this number, or a smaller one, again.
SELECT setval(CAST(:series AS regclass), GREATEST(CAST(:last AS bigint), nextval(CAST(:series AS regclass)) - 1, 1));

-- name: lock_shared
-- Hold named locks together with others until this transaction ends; they are taken in the order given.
SELECT pg_advisory_xact_lock_shared(hashtextextended(n.name, 7303)) FROM unnest(CAST(:names AS text[])) AS n (name);

-- name: lock_exclusive
-- Hold named locks alone until this transaction ends; they are taken in the order given.
SELECT pg_advisory_xact_lock(hashtextextended(n.name, 7303)) FROM unnest(CAST(:names AS text[])) AS n (name);
