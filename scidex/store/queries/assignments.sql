-- name: last_round_of_pool
-- The last round of a pool: what it offered, sold and asked for.
SELECT round_id, cleared_at, slots, sold, clearing_price_tokens FROM compute_auction_rounds
WHERE pool = :pool ORDER BY cleared_at DESC, round_id DESC LIMIT 1;

-- name: slots_left_unsold
-- Slots at reserve 0 that an instant's round could have sold and that are on offer still, first those that the asking
-- worker or account offers.
SELECT slot_id, token_allowance, max_seconds FROM compute_auction_asks k
WHERE status = 'open' AND pool = :pool AND reserve_price_tokens = 0 AND provider_id IN (:agent_id, 'system:treasury')
    AND available_at <= :cleared_at AND offered_at <= :cleared_at AND (expires_at IS NULL OR expires_at > :now)
ORDER BY CASE WHEN provider_id = :agent_id OR EXISTS (
        SELECT 1 FROM worker_slots s WHERE s.slot_id = k.slot_id AND s.worker_id = :worker_id
    ) THEN 0 ELSE 1 END, sequence LIMIT 1;

-- name: own_slots_on_offer
-- Slots of an agent's account, or that its worker offers, which are on offer now.
SELECT slot_id, token_allowance, max_seconds FROM compute_auction_asks k
WHERE status = 'open' AND pool = :pool AND available_at <= :now AND (expires_at IS NULL OR expires_at > :now)
    AND (provider_id = :agent_id OR EXISTS (
        SELECT 1 FROM worker_slots s WHERE s.slot_id = k.slot_id AND s.worker_id = :worker_id))
ORDER BY sequence LIMIT 1;

-- name: runnable_task
-- The most valuable task of a quest in a pool that may run now, holds no slot and is not given out.
SELECT t.task_id, t.estimated_cost_tokens FROM tasks t
WHERE t.quest_id = :quest_id AND t.status = 'open' AND t.kind = 'task' AND t.pool = :pool
    AND (t.deadline_at IS NULL OR t.deadline_at > :now)
    AND NOT EXISTS (SELECT 1 FROM compute_auction_clears c
        WHERE c.winning_task_id = t.task_id AND c.status IN ('won', 'running'))
ORDER BY t.expected_value_usd DESC, t.task_id LIMIT 1;

-- name: runnable_task_that_did_not_bid
-- The most valuable such task that has no open bid and took no part in a round.
SELECT t.task_id, t.estimated_cost_tokens FROM tasks t
WHERE t.quest_id = :quest_id AND t.status = 'open' AND t.kind = 'task' AND t.pool = :pool
    AND (t.deadline_at IS NULL OR t.deadline_at > :now)
    AND NOT EXISTS (SELECT 1 FROM compute_auction_clears c
        WHERE c.winning_task_id = t.task_id AND c.status IN ('won', 'running'))
    AND NOT EXISTS (SELECT 1 FROM compute_auction_bids b JOIN compute_auction_pools p ON p.pool = b.pool
        WHERE b.task_id = t.task_id AND b.status = 'open' AND (b.round_id = 0 OR b.round_id = p.open_round_id))
    AND t.task_id NOT IN (SELECT b.task_id FROM compute_auction_bids b
        WHERE b.pool = :pool AND b.round_id = :round_id AND b.competing = 1)
ORDER BY t.expected_value_usd DESC, t.task_id LIMIT 1;

-- name: insert_assignment!
-- Give a task to an agent.
INSERT INTO task_assignments (assignment_id, source, agent_id, task_id, quest_id, pool, slot_id, day,
    charged_tokens, status, given_at)
VALUES (:assignment_id, :source, :agent_id, :task_id, :quest_id, :pool, :slot_id, :day,
    :charged_tokens, 'given', :given_at);

-- name: lock_assignment
-- Lock work that was given out.
SELECT assignment_id FROM task_assignments WHERE assignment_id = :assignment_id FOR UPDATE;

-- name: assignment
-- Work that was given out.
SELECT assignment_id, source, agent_id, task_id, quest_id, pool, slot_id, day, charged_tokens, status, succeeded,
    actual_cost_tokens, actual_impact, attested_by, note, given_at, started_at, finished_at
FROM task_assignments WHERE assignment_id = :assignment_id;

-- name: start_assignment!
-- Mark work that was given out as begun; no row is changed where it was begun or ended.
UPDATE task_assignments SET status = 'running', started_at = :now
WHERE assignment_id = :assignment_id AND status = 'given';

-- name: end_assignment!
-- End work that was given out; no row is changed where it was ended.
UPDATE task_assignments SET status = :status, succeeded = :succeeded, actual_cost_tokens = :actual_cost_tokens,
    actual_impact = :actual_impact, attested_by = :attested_by, note = :note, finished_at = :now
WHERE assignment_id = :assignment_id AND status IN ('given', 'running');

-- name: start_clear!
-- Mark a slot that was won as running; no row is changed where it runs or has ended.
UPDATE compute_auction_clears SET status = 'running', slot_started_at = :now
WHERE slot_id = :slot_id AND status = 'won';

-- name: won_slots_of
-- Slots that an agent bought or provides, won and not started yet, the oldest first.
SELECT c.slot_id, c.winning_task_id, c.pool, k.token_allowance, k.max_seconds,
    COALESCE(b.expected_value_usd, t.expected_value_usd) AS expected_value_usd, t.quest_id, t.title, t.payload, t.status AS task_status
FROM compute_auction_won_slots c
JOIN compute_auction_asks k ON k.slot_id = c.slot_id
LEFT JOIN compute_auction_bids b ON b.id = c.bid_id
LEFT JOIN tasks t ON t.task_id = c.winning_task_id
WHERE c.account_id = :agent_id ORDER BY c.round_id, k.sequence;
