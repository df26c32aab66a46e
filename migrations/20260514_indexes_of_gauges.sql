-- What is counted or listed again and again is found without a walk through all that is over.

CREATE INDEX compute_auction_rounds_in_order ON compute_auction_rounds (pool, round_id);

CREATE INDEX tasks_in_state ON tasks (status, task_id);

CREATE INDEX tasks_not_over ON tasks (pool, status) WHERE status NOT IN ('done', 'failed');

CREATE INDEX tasks_over ON tasks (status, updated_at, pool) WHERE status IN ('done', 'failed');
