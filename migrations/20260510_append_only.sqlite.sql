-- What is written once is changed by nothing and nobody.

CREATE TRIGGER token_transfers_keeps_what_it_says BEFORE UPDATE ON token_transfers
BEGIN SELECT RAISE(ABORT, 'token_transfers is append-only'); END;

CREATE TRIGGER token_transfers_keeps_all BEFORE DELETE ON token_transfers
BEGIN SELECT RAISE(ABORT, 'token_transfers is append-only'); END;

CREATE TRIGGER journal_keeps_what_it_says BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END;

-- Of a market that was opened and not used yet the journal may be emptied, for another one to be replayed into it.
CREATE TRIGGER journal_keeps_all BEFORE DELETE ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE verb <> 'open_market')
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END;

CREATE TRIGGER journal_seals_keeps_what_it_says BEFORE UPDATE ON journal_seals
BEGIN SELECT RAISE(ABORT, 'journal_seals is append-only'); END;

CREATE TRIGGER journal_seals_keeps_all BEFORE DELETE ON journal_seals
BEGIN SELECT RAISE(ABORT, 'journal_seals is append-only'); END;

CREATE TRIGGER refused_attempts_keeps_what_it_says BEFORE UPDATE ON refused_attempts
BEGIN SELECT RAISE(ABORT, 'refused_attempts is append-only'); END;

CREATE TRIGGER refused_attempts_keeps_all BEFORE DELETE ON refused_attempts
BEGIN SELECT RAISE(ABORT, 'refused_attempts is append-only'); END;
