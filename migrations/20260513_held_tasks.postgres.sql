-- A task may be held: kept from the market until someone says otherwise, with the reason.
ALTER TABLE tasks DROP CONSTRAINT tasks_status_check;
ALTER TABLE tasks ADD CONSTRAINT tasks_status_check
    CHECK (status IN ('open', 'blocked', 'running', 'done', 'failed', 'held'));
-- Why it is held or failed, where that was said.
ALTER TABLE tasks ADD COLUMN status_reason TEXT NOT NULL DEFAULT '';
-- Who gave it its status: the market by running it, an operator by hand, or the source that it was imported from.
ALTER TABLE tasks ADD COLUMN status_by TEXT NOT NULL DEFAULT 'market'
    CHECK (status_by IN ('market', 'operator', 'source'));
-- A group, such as an epic with open children, is listed but never bid for and never run.
ALTER TABLE tasks ADD COLUMN kind TEXT NOT NULL DEFAULT 'task' CHECK (kind IN ('task', 'group'));
