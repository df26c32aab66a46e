-- name: insert_bids!
-- Add bids to the book.
INSERT INTO compute_auction_bids (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status,
    pool, placed_at, sequence, time_in_force, round_id, competing, reason, for_backlog)
SELECT n.id, n.bidder_id, n.task_id, n.max_price_tokens, n.expected_value_usd, n.ttl_at, 'open',
    n.pool, n.placed_at, n.sequence, n.time_in_force, n.round_id, n.competing, n.reason, n.for_backlog
FROM unnest(CAST(:id AS bigint[]), CAST(:bidder_id AS text[]), CAST(:task_id AS text[]),
    CAST(:max_price_tokens AS bigint[]), CAST(:expected_value_usd AS float8[]), CAST(:ttl_at AS timestamptz[]),
    CAST(:pool AS text[]), CAST(:placed_at AS timestamptz[]), CAST(:sequence AS bigint[]),
    CAST(:time_in_force AS text[]), CAST(:round_id AS bigint[]), CAST(:competing AS bigint[]),
    CAST(:reason AS text[]), CAST(:for_backlog AS bigint[]))
    AS n (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, pool, placed_at, sequence,
        time_in_force, round_id, competing, reason, for_backlog);

-- name: open_prices
-- Prices of the open bids of bidders in pools by round, as JSON; those that hold nothing are left out.
SELECT x.bidder_id, p.pool, r.round_id, (
    SELECT CAST(json_agg(b.max_price_tokens) AS text) FROM compute_auction_bids b
    WHERE b.bidder_id = x.bidder_id AND b.pool = p.pool AND b.round_id = r.round_id
        AND b.status = 'open' AND b.reason <> 'suspended'
) AS prices
FROM unnest(CAST(:bidder_ids AS text[])) AS x (bidder_id)
CROSS JOIN compute_auction_pools p
CROSS JOIN LATERAL (VALUES (0), (p.open_round_id)) AS r (round_id)
WHERE p.pool = ANY (CAST(:pools AS text[]));

-- name: standing_bids
-- The open bids of bidders for tasks in pools, given as JSON triples of the three.
SELECT b.id, b.bidder_id, b.pool, b.task_id, b.round_id, b.max_price_tokens, b.sequence, b.reason
FROM json_array_elements(CAST(:triples AS json)) AS w (value)
JOIN compute_auction_pools p ON p.pool = w.value ->> 1
CROSS JOIN LATERAL (VALUES (0), (p.open_round_id)) AS r (round_id)
CROSS JOIN LATERAL (
    -- There is at most one; the limit says so to the planner, who then looks each up by the index.
    SELECT * FROM compute_auction_bids
    WHERE task_id = w.value ->> 2 AND pool = p.pool AND round_id = r.round_id AND bidder_id = w.value ->> 0
        AND status = 'open'
    LIMIT 1
) AS b;

-- name: ground_of_bid
-- What decides one bid for a pool's open round, where its bidder has none that rest: the pool, the bar on the task, the
-- bid that stands, the prices beside it, and the wallet, on a row for each pool in which that sets something aside.
WITH ground AS MATERIALIZED (
    SELECT p.mechanism, p.open_round_id AS bid_round_id, a.account_id, a.kind, a.owner_id, a.balance_tokens,
        a.held_tokens, a.entries, t.status AS task_status,
        (SELECT 1 FROM compute_auction_clears
            WHERE winning_task_id = :task_id AND status IN ('won', 'running')) AS task_is_live,
        b.prices, b.number_of, b.sum_of, s.id AS standing_id, s.max_price_tokens AS standing_price_tokens,
        s.sequence AS standing_sequence
    FROM compute_auction_pools p
    JOIN token_accounts a ON a.account_id = :bidder_id
    -- Locked against change until this has committed, where the backlog knows it.
    LEFT JOIN LATERAL (SELECT status FROM tasks WHERE task_id = :task_id FOR SHARE) AS t ON true
    CROSS JOIN LATERAL (
        SELECT CAST(json_agg(max_price_tokens) AS text) AS prices, COUNT(*) AS number_of,
            COALESCE(SUM(max_price_tokens), 0) AS sum_of
        FROM compute_auction_bids
        WHERE bidder_id = :bidder_id AND pool = p.pool AND round_id = p.open_round_id
            AND status = 'open' AND reason <> 'suspended'
    ) AS b
    LEFT JOIN LATERAL (
        -- There is at most one; the limit says so to the planner, who then looks it up by the index.
        SELECT id, max_price_tokens, sequence FROM compute_auction_bids
        WHERE task_id = :task_id AND pool = p.pool AND round_id = p.open_round_id AND bidder_id = :bidder_id
            AND status = 'open'
        LIMIT 1
    ) AS s ON true
    WHERE p.pool = :pool
), drawn AS MATERIALIZED (
    -- A sequence keeps what is drawn for a bid that is refused. So a number is drawn here only where none of the reasons
    -- to refuse can be met: nobody comes to owe more than the sum of all bids, and that sum is at hand.
    SELECT CASE WHEN g.kind <> 'system' AND g.sum_of + :price <= g.balance_tokens - g.held_tokens
        AND (g.number_of < :most_open_bids OR g.standing_id IS NOT NULL)
        AND (g.standing_id IS NULL OR g.standing_price_tokens <> :price)
        AND NOT EXISTS (SELECT 1 FROM token_bid_holds
            WHERE account_id = :bidder_id AND pool = :pool AND (resting_tokens > 0 OR suspended_bids > 0))
        THEN nextval('bid_numbers') END AS next_number
    FROM ground g
)
SELECT g.mechanism, g.bid_round_id, g.account_id, g.kind, g.owner_id, g.balance_tokens, g.held_tokens, g.entries,
    h.pool, h.round_id, h.round_tokens, h.resting_tokens, h.suspended_bids, o.open_round_id, g.task_status,
    g.task_is_live, g.prices, g.standing_id, g.standing_price_tokens, g.standing_sequence, n.next_number
FROM ground g
CROSS JOIN drawn n
LEFT JOIN token_bid_holds h ON h.account_id = g.account_id
LEFT JOIN compute_auction_pools o ON o.pool = h.pool;

-- name: place_plain_bid
-- Place a bid for a pool's open round and journal that, where nothing can be said against it: a wallet that covers it,
-- no bids that rest beside it, nothing held for a round that is over, a task that may run, a new place in the queue.
-- Whatever else there is writes nothing, and is decided elsewhere.
WITH market AS MATERIALIZED (
    SELECT open_round_id AS round_id, mechanism FROM compute_auction_pools WHERE pool = :pool
), stands AS MATERIALIZED (
    -- There is at most one; the limit says so to the planner, who then looks it up by the index.
    SELECT id, max_price_tokens FROM compute_auction_bids
    WHERE task_id = :task_id AND pool = :pool AND round_id = (SELECT round_id FROM market) AND bidder_id = :bidder_id
        AND status = 'open'
    LIMIT 1
), most AS MATERIALIZED (
    -- What the bidder can come to owe: the largest product of a price and its rank, with the new bid in the place of the
    -- one that stands; or their sum. None overflows, since the wallet covers what stands.
    SELECT COUNT(*) AS others, CAST(COALESCE(SUM(max_price_tokens), 0) AS bigint) + :max_price_tokens AS owed_in_sum,
        GREATEST(
            MAX(max_price_tokens * (rank + CASE WHEN max_price_tokens < :max_price_tokens THEN 1 ELSE 0 END)),
            :max_price_tokens * (1 + COUNT(*) FILTER (WHERE max_price_tokens >= :max_price_tokens))
        ) AS owed_by_rank
    FROM unnest(ARRAY(
        SELECT max_price_tokens FROM compute_auction_bids
        WHERE bidder_id = :bidder_id AND pool = :pool AND round_id = (SELECT round_id FROM market)
            AND status = 'open' AND reason <> 'suspended' AND task_id <> :task_id
        ORDER BY max_price_tokens DESC
    )) WITH ORDINALITY AS ranked (max_price_tokens, rank)
), elsewhere AS MATERIALIZED (
    -- What is held for bids in other pools, whose rounds are kept from ending until this has committed.
    SELECT h.round_id, p.open_round_id FROM token_bid_holds h JOIN compute_auction_pools p ON p.pool = h.pool
    WHERE h.account_id = :bidder_id AND h.pool <> :pool AND h.round_tokens > 0
    ORDER BY p.pool FOR SHARE OF p
), decided AS MATERIALIZED (
    SELECT m.round_id, s.id AS standing_id, o.owed, a.held_tokens - COALESCE(h.round_tokens, 0) + o.owed AS held,
        nextval('bid_numbers') AS number
    FROM market m
    JOIN token_accounts a ON a.account_id = :bidder_id
    LEFT JOIN token_bid_holds h ON h.account_id = :bidder_id AND h.pool = :pool
    -- Locked against change until this has committed, where the backlog knows it.
    LEFT JOIN LATERAL (SELECT status FROM tasks WHERE task_id = :task_id FOR SHARE) AS t ON true
    LEFT JOIN stands s ON true
    CROSS JOIN LATERAL (
        SELECT others, CASE WHEN m.mechanism = :summed_mechanism THEN owed_in_sum ELSE owed_by_rank END AS owed FROM most
    ) AS o
    WHERE a.kind <> 'system'
        AND a.held_tokens - COALESCE(h.round_tokens, 0) + o.owed <= a.balance_tokens
        AND o.others < :most_open_bids
        AND (s.id IS NULL OR s.max_price_tokens <> :max_price_tokens)
        AND COALESCE(h.resting_tokens, 0) = 0 AND COALESCE(h.suspended_bids, 0) = 0
        AND (t.status IS NULL OR t.status <> ALL (CAST(:barring_states AS text[])))
        AND NOT EXISTS (SELECT 1 FROM compute_auction_clears
            WHERE winning_task_id = :task_id AND status IN ('won', 'running'))
        AND NOT EXISTS (SELECT 1 FROM elsewhere WHERE round_id <> open_round_id)
), placed AS (
    INSERT INTO compute_auction_bids (id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status,
        pool, placed_at, sequence, time_in_force, round_id, competing, reason)
    SELECT number, :bidder_id, :task_id, :max_price_tokens, :expected_value_usd, CAST(:ttl_at AS timestamptz), 'open',
        :pool, CAST(:placed_at AS timestamptz), number, 'round', round_id, 1, '' FROM decided
    ON CONFLICT (task_id, pool, round_id, bidder_id) WHERE status = 'open' DO UPDATE SET
        max_price_tokens = excluded.max_price_tokens, expected_value_usd = excluded.expected_value_usd,
        ttl_at = excluded.ttl_at, placed_at = excluded.placed_at, sequence = excluded.sequence,
        time_in_force = excluded.time_in_force, competing = excluded.competing, reason = excluded.reason,
        for_backlog = 0
), held AS (
    UPDATE token_accounts SET held_tokens = (SELECT held FROM decided)
    WHERE account_id = :bidder_id AND held_tokens <> (SELECT held FROM decided)
), set_aside AS (
    INSERT INTO token_bid_holds (account_id, pool, round_id, round_tokens, resting_tokens, suspended_bids)
    SELECT :bidder_id, :pool, round_id, owed, 0, 0 FROM decided
    ON CONFLICT (account_id, pool) DO UPDATE SET round_id = excluded.round_id, round_tokens = excluded.round_tokens
    WHERE token_bid_holds.round_id <> excluded.round_id OR token_bid_holds.round_tokens <> excluded.round_tokens
), counted AS (
    INSERT INTO compute_auction_book_counts (pool, stripe, round_id, round_bids, resting_bids)
    SELECT :pool, :stripe, round_id, 1, 0 FROM decided WHERE standing_id IS NULL
    ON CONFLICT (pool, stripe) DO UPDATE SET
        round_bids = CASE WHEN compute_auction_book_counts.round_id = excluded.round_id
            THEN compute_auction_book_counts.round_bids ELSE 0 END + 1,
        round_id = excluded.round_id
), journaled AS (
    INSERT INTO journal (entry_id, verb, actor, arguments, generated, made_at)
    SELECT nextval('journal_numbers'), :verb, :actor, :arguments,
        '{"bid_numbers":[' || number || ',' || number || ']}', CAST(:made_at AS timestamptz) FROM decided
)
SELECT COALESCE(standing_id, number) AS id, number AS sequence, round_id FROM decided;
