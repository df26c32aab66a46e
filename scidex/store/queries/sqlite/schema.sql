-- name: create_version_table!
-- The migrations that this database has taken.
CREATE TABLE IF NOT EXISTS schema_migrations (
    name TEXT PRIMARY KEY
) STRICT;
