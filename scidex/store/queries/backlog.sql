-- name: add_quest!
-- Add a quest.
INSERT INTO quests (quest_id, title, account_id, priority, status, created_at, strategy)
VALUES (:quest_id, :title, :account_id, :priority, :status, :created_at, :strategy)
ON CONFLICT (quest_id) DO NOTHING;

-- name: save_quests!
-- Store quests again.
UPDATE quests SET title = :title, priority = :priority, status = :status, strategy = :strategy
WHERE quest_id = :quest_id;

-- name: quests_named
-- These quests.
SELECT quest_id, title, account_id, priority, status, created_at, strategy, floor_entitled
FROM quests WHERE quest_id IN each_text(:quest_ids);

-- name: quests_page
-- Quests in the order of their ids.
SELECT quest_id, title, account_id, priority, status, created_at, strategy, floor_entitled FROM quests
WHERE quest_id > :after ORDER BY quest_id LIMIT :page;

-- name: quests_with_open_tasks
-- Active quests with a task that may run now.
SELECT q.quest_id, q.priority FROM quests q
WHERE q.status = 'active' AND EXISTS (
    SELECT 1 FROM tasks t WHERE t.quest_id = q.quest_id AND t.status = 'open' AND t.kind = 'task'
        AND (t.deadline_at IS NULL OR t.deadline_at > :now))
ORDER BY q.quest_id;

-- name: quests_at_work
-- Active quests with work in a pool that is not ended, and their wallets.
SELECT q.quest_id, q.priority, q.account_id FROM quests q
WHERE q.status = 'active' AND EXISTS (
    SELECT 1 FROM tasks t WHERE t.quest_id = q.quest_id AND t.pool = :pool AND t.kind = 'task'
        AND t.status IN ('open', 'blocked', 'running'))
ORDER BY q.quest_id;

-- name: insert_tasks!
-- Add tasks.
INSERT INTO tasks (task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload,
    deadline_at, attempts, created_at, updated_at, status_reason, status_by, kind, source)
VALUES (:task_id, :quest_id, :title, :status, :expected_value_usd, :estimated_cost_tokens, :pool, :payload,
    :deadline_at, 0, :created_at, :updated_at, :status_reason, :status_by, :kind, :source);

-- name: save_tasks!
-- Store tasks again.
UPDATE tasks SET quest_id = :quest_id, title = :title, status = :status, expected_value_usd = :expected_value_usd,
    estimated_cost_tokens = :estimated_cost_tokens, pool = :pool, payload = :payload, deadline_at = :deadline_at,
    updated_at = :updated_at, status_reason = :status_reason, status_by = :status_by, kind = :kind,
    source = :source
WHERE task_id = :task_id;

-- name: tasks_named
-- These tasks.
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload, deadline_at,
    attempts, created_at, updated_at, status_reason, status_by, kind, source, written_back_at
FROM tasks WHERE task_id IN each_text(:task_ids);

-- name: tasks_page
-- Tasks in the order of their ids; an empty text stands for any quest or pool.
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload, deadline_at,
    attempts, created_at, updated_at, status_reason, status_by, kind, source, written_back_at
FROM tasks
WHERE task_id > :after AND (:quest_id = '' OR quest_id = :quest_id)
    AND (:pool = '' OR pool = :pool)
ORDER BY task_id LIMIT :page;

-- name: tasks_in_state_page
-- Tasks in a state in the order of their ids; an empty text stands for any quest or pool.
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload, deadline_at,
    attempts, created_at, updated_at, status_reason, status_by, kind, source, written_back_at
FROM tasks
WHERE status = :status AND task_id > :after AND (:quest_id = '' OR quest_id = :quest_id)
    AND (:pool = '' OR pool = :pool)
ORDER BY task_id LIMIT :page;

-- name: tasks_of_source_page
-- Tasks of a source in the order of their ids; an empty text stands for any quest, state or pool.
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload, deadline_at,
    attempts, created_at, updated_at, status_reason, status_by, kind, source, written_back_at
FROM tasks
WHERE source = :source AND source <> '' AND task_id > :after AND (:quest_id = '' OR quest_id = :quest_id)
    AND (:status = '' OR status = :status) AND (:pool = '' OR pool = :pool)
ORDER BY task_id LIMIT :page;

-- name: note_written_back!
-- Note that the end of a task was written back to its source; no row is changed where that was noted before.
UPDATE tasks SET written_back_at = :now WHERE task_id = :task_id AND written_back_at IS NULL;

-- name: task_state
-- A task's state, and how often it was started.
SELECT status, attempts FROM tasks WHERE task_id = :task_id;

-- name: step_task!
-- Take a task from one of these states to another; no row is changed where it is in none of them.
UPDATE tasks SET status = :status, attempts = :attempts, updated_at = :now, status_reason = :status_reason,
    status_by = :status_by
WHERE task_id = :task_id AND status IN each_text(:from_statuses);

-- name: start_task!
-- Mark an open task running; no row is changed where it is not open.
UPDATE tasks SET status = 'running', attempts = attempts + 1, updated_at = :now, status_reason = '',
    status_by = 'market', written_back_at = NULL
WHERE task_id = :task_id AND status = 'open';

-- name: block_waiting_tasks!
-- Block those of these tasks that are open and wait for a task that is not done.
UPDATE tasks SET status = 'blocked', updated_at = :now
WHERE status = 'open' AND task_id IN each_text(:task_ids) AND EXISTS (
    SELECT 1 FROM task_dependencies d JOIN tasks first ON first.task_id = d.depends_on
    WHERE d.task_id = tasks.task_id AND first.status <> 'done');

-- name: open_ready_tasks!
-- Open those of these tasks that are blocked and wait for nothing any more.
UPDATE tasks SET status = 'open', updated_at = :now
WHERE status = 'blocked' AND task_id IN each_text(:task_ids) AND NOT EXISTS (
    SELECT 1 FROM task_dependencies d JOIN tasks first ON first.task_id = d.depends_on
    WHERE d.task_id = tasks.task_id AND first.status <> 'done');

-- name: dependencies_of
-- What these tasks wait for.
SELECT task_id, depends_on FROM task_dependencies WHERE task_id IN each_text(:task_ids)
ORDER BY task_id, depends_on;

-- name: dependents_of
-- The tasks that wait for these.
SELECT DISTINCT task_id FROM task_dependencies WHERE depends_on IN each_text(:task_ids);

-- name: drop_dependencies!
-- Forget what these tasks wait for.
DELETE FROM task_dependencies WHERE task_id IN each_text(:task_ids);

-- name: insert_dependencies!
-- Let tasks wait for others.
INSERT INTO task_dependencies (task_id, depends_on) VALUES (:task_id, :depends_on);

-- name: tasks_held
-- Those of these tasks that hold a slot or were given out.
SELECT winning_task_id FROM compute_auction_clears
WHERE status IN ('won', 'running') AND winning_task_id IN each_text(:task_ids)
UNION
SELECT task_id FROM task_assignments WHERE status IN ('given', 'running') AND task_id IN each_text(:task_ids);

-- name: ranked_tasks
-- Tasks of active quests that may run now, the highest expected value first.
SELECT t.task_id, t.quest_id, t.title, t.pool, t.expected_value_usd, t.estimated_cost_tokens, t.deadline_at
FROM tasks t JOIN quests q ON q.quest_id = t.quest_id
WHERE t.status = 'open' AND t.kind = 'task' AND q.status = 'active' AND (t.deadline_at IS NULL OR t.deadline_at > :now)
ORDER BY t.expected_value_usd DESC, t.task_id;

-- name: tasks_to_bid_for
-- Tasks that may run now and hold no slot, with the wallets that bid for them, the highest expected value first.
SELECT t.task_id, t.quest_id, q.account_id, q.strategy, t.pool, t.expected_value_usd, t.deadline_at
FROM tasks t JOIN quests q ON q.quest_id = t.quest_id
WHERE t.status = 'open' AND t.kind = 'task' AND q.status = 'active' AND (t.deadline_at IS NULL OR t.deadline_at > :now)
    AND NOT EXISTS (SELECT 1 FROM compute_auction_clears c
        WHERE c.winning_task_id = t.task_id AND c.status IN ('won', 'running'))
ORDER BY t.quest_id, t.expected_value_usd DESC, t.task_id;

-- name: tokens_of_won_slots
-- What the slots that these accounts won hold.
SELECT bidder_id, CAST(SUM(clearing_price_tokens) AS BIGINT) AS tokens FROM compute_auction_clears
WHERE status IN ('won', 'running') AND slot_finished_at IS NULL AND bidder_id IN each_text(:account_ids)
GROUP BY bidder_id;

-- name: task_counts
-- How many tasks of each quest are in each state.
SELECT quest_id, status, COUNT(*) AS tasks FROM tasks GROUP BY quest_id, status ORDER BY quest_id, status;

-- name: quests_of_account
-- The quests that bid from an account.
SELECT quest_id FROM quests WHERE account_id = :account_id ORDER BY quest_id;

-- name: quests_without_bids
-- Active quests that have work and no bid for it in the open round of any book, with their wallets.
SELECT q.quest_id, q.account_id, w.balance_tokens, w.held_tokens, COUNT(*) AS tasks,
    CAST(SUM(CASE WHEN t.status = 'open' AND c.slot_id IS NULL AND (t.deadline_at IS NULL OR t.deadline_at > :now)
        THEN 1 ELSE 0 END) AS BIGINT) AS open_tasks,
    CAST(SUM(CASE WHEN t.status = 'running' OR c.slot_id IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS running_tasks,
    MAX(CASE WHEN t.status = 'open' AND c.slot_id IS NULL THEN t.expected_value_usd ELSE 0.0 END) AS best_usd
FROM quests q
JOIN token_wallets w ON w.account_id = q.account_id
JOIN tasks t ON t.quest_id = q.quest_id
LEFT JOIN compute_auction_clears c ON c.winning_task_id = t.task_id AND c.status IN ('won', 'running')
WHERE q.status = 'active' AND t.kind = 'task' AND t.status IN ('open', 'blocked', 'running', 'held')
    AND NOT EXISTS (
        SELECT 1 FROM compute_auction_bids b JOIN compute_auction_pools p ON p.pool = b.pool
        WHERE b.pool = p.pool AND b.round_id IN (0, p.open_round_id) AND b.bidder_id = q.account_id
            AND b.status = 'open' AND b.for_backlog = 1)
GROUP BY q.quest_id, q.account_id, w.balance_tokens, w.held_tokens
ORDER BY q.quest_id;

-- name: bidders_for_backlogs
-- The accounts with open bids for backlogs in pools, of the given rounds (0: those that rest).
SELECT DISTINCT bidder_id FROM compute_auction_bids
WHERE status = 'open' AND for_backlog = 1 AND pool IN each_text(:pools) AND round_id IN each_number(:round_ids);
