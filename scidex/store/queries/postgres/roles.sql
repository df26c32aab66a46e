-- name: role_facts
-- Whether a role can do whatever it likes with the tables: nothing can be taken from such a one.
SELECT r.rolsuper OR pg_has_role(r.oid, c.relowner, 'MEMBER') AS owns_them
FROM pg_roles r, pg_class c
WHERE r.rolname = CAST(:role AS text) AND c.oid = to_regclass('journal');

-- name: grants_of_role
-- The statements that leave a role what a server needs of this schema, and nothing else.
WITH things AS (
    SELECT c.relkind AS kind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS thing, c.relname AS name,
        quote_ident(:role) AS grantee
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'v', 'S')
), needed AS (
    SELECT thing, grantee, CASE WHEN kind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END AS word,
        CASE
            WHEN kind = 'S' THEN 'USAGE'
            WHEN kind = 'v' OR name = 'schema_migrations' THEN 'SELECT'
            WHEN name IN each_text(:append_only) THEN 'SELECT, INSERT'
            WHEN name IN each_text(:deleted_from) THEN 'SELECT, INSERT, UPDATE, DELETE'
            ELSE 'SELECT, INSERT, UPDATE'
        END AS rights
    FROM things
)
SELECT 'REVOKE ALL ON ' || word || thing || ' FROM ' || grantee || '; GRANT ' || rights || ' ON ' || word || thing
    || ' TO ' || grantee || ';' AS grants
FROM needed
UNION ALL
SELECT 'REVOKE CREATE ON SCHEMA ' || quote_ident(current_schema()) || ' FROM PUBLIC, ' || quote_ident(:role)
    || '; GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO ' || quote_ident(:role) || ';';

-- name: rights_of_ours
-- What this database's role could do that no server needs.
SELECT has_schema_privilege(current_schema(), 'CREATE') AS changes_the_schema, EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname IN each_text(:append_only)
        AND has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
) AS changes_the_record;
