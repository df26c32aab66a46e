-- What is written once is changed by nothing and nobody.

CREATE FUNCTION refuse_to_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Of a market that was opened and not used yet the journal may be emptied, for another one to be replayed into it.
CREATE FUNCTION refuse_to_cut_the_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM journal WHERE verb <> 'open_market') THEN
        RAISE EXCEPTION 'journal is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER token_transfers_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON token_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER journal_keeps_what_it_says BEFORE UPDATE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER journal_keeps_all BEFORE DELETE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_cut_the_journal();

CREATE TRIGGER journal_seals_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();

CREATE TRIGGER refused_attempts_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON refused_attempts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change();
