-- Which source a task was imported from, and when its end was written back there.
ALTER TABLE tasks ADD COLUMN source TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN written_back_at TIMESTAMPTZ;
CREATE INDEX tasks_of_source ON tasks (source, task_id) WHERE source <> '';
