-- name: has_schema
-- Whether this database was ever brought up to date.
SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations';
