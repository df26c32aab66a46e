-- name: has_schema
-- Whether this database was ever brought up to date.
SELECT COUNT(*) FROM pg_tables WHERE schemaname = CURRENT_SCHEMA AND tablename = 'schema_migrations';
