-- name: create_version_table!
-- The migrations that this database has taken.
CREATE TABLE IF NOT EXISTS schema_migrations (
    name TEXT PRIMARY KEY
);

-- name: migrations_taken
-- Names of the migrations taken.
SELECT name FROM schema_migrations;

-- name: note_migration!
-- Remember that a migration was taken.
INSERT INTO schema_migrations (name) VALUES (:name);

-- name: migration_digests
-- What each migration said when it was taken; NULL where that is not known yet.
SELECT name, digest FROM schema_migrations;

-- name: note_digest!
-- Remember what a migration says.
UPDATE schema_migrations SET digest = :digest WHERE name = :name;
