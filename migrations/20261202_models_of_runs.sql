-- The models that runs used, as whoever metered them said; '' where nobody did.

ALTER TABLE run_usages ADD COLUMN model TEXT NOT NULL DEFAULT '';
