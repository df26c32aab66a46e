-- What each migration said when it was taken, so that one that was edited afterwards is noticed.
ALTER TABLE schema_migrations ADD COLUMN digest TEXT;
