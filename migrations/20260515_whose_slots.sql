-- Slots of the operator's own fleet are the treasury's; the treasury pays where the floor gives away another's slot.

-- For whom a worker offers its slots.
ALTER TABLE workers ADD COLUMN provider_id TEXT COLLATE "C" NOT NULL DEFAULT 'system:treasury';

-- Those that are known sold for their own accounts. One that registers anew says for whom it sells.
UPDATE workers SET provider_id = account_id;

-- Slots that wait for a worker, in the order in which they are leased: a fleet's are the treasury's.
DROP INDEX compute_auction_clears_live_provider;
CREATE INDEX compute_auction_clears_waiting
    ON compute_auction_clears (provider_id, pool, round_id, slot_id) WHERE status = 'won';

-- What the treasury pays for a slot that the floor gave away: its own cost it nothing.
ALTER TABLE floor_gifts ADD COLUMN price_tokens BIGINT NOT NULL DEFAULT 0 CHECK (price_tokens >= 0);

CREATE INDEX floor_gifts_bought ON floor_gifts (slot_id) WHERE price_tokens > 0;

DROP VIEW token_holds;
CREATE VIEW token_holds AS
SELECT h.account_id, h.pool, 'round' AS kind, h.round_id, NULL AS slot_id, h.round_tokens AS tokens
FROM token_bid_holds h
JOIN compute_auction_pools p ON p.pool = h.pool
WHERE h.round_id = p.open_round_id AND h.round_tokens > 0
UNION ALL
SELECT h.account_id, h.pool, 'resting', 0, NULL, h.resting_tokens
FROM token_bid_holds h
WHERE h.resting_tokens > 0
UNION ALL
SELECT c.bidder_id, c.pool, 'slot', c.round_id, c.slot_id, c.clearing_price_tokens
FROM compute_auction_clears c
WHERE c.status IN ('won', 'running') AND c.clearing_price_tokens > 0
UNION ALL
SELECT 'system:treasury', c.pool, 'slot', c.round_id, c.slot_id, g.price_tokens
FROM floor_gifts g JOIN compute_auction_clears c ON c.slot_id = g.slot_id
WHERE c.status IN ('won', 'running') AND g.price_tokens > 0;

-- Who ran a sold slot is the account of the worker that leased it, and its provider where no worker did.
DROP VIEW task_runs;
CREATE VIEW task_runs AS
SELECT c.slot_id AS run_id, 'auction' AS source, c.winning_task_id AS task_id, t.quest_id AS quest_id,
    COALESCE((
        SELECT w.account_id FROM leases l JOIN workers w ON w.worker_id = l.worker_id
        WHERE l.run_id = c.slot_id ORDER BY l.fence DESC LIMIT 1
    ), c.provider_id) AS agent_id,
    c.pool AS pool, c.status AS status,
    CASE WHEN c.cost_is_known = 1 THEN c.actual_cost_tokens END AS actual_cost_tokens,
    c.actual_impact AS actual_impact, c.slot_started_at AS started_at, c.slot_finished_at AS finished_at
FROM compute_auction_clears c LEFT JOIN tasks t ON t.task_id = c.winning_task_id
WHERE c.slot_started_at IS NOT NULL
UNION ALL
SELECT a.assignment_id, a.source, a.task_id, a.quest_id, a.agent_id, a.pool, a.status, a.actual_cost_tokens,
    a.actual_impact, a.started_at, a.finished_at
FROM task_assignments a WHERE a.started_at IS NOT NULL;
