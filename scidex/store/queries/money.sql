-- name: earners_of_pool
-- Active quests with work in a pool that is not ended, their wallets and who is behind them.
SELECT q.quest_id, q.account_id, a.owner_id, q.priority
FROM quests q JOIN token_accounts a ON a.account_id = q.account_id
WHERE q.status = 'active' AND EXISTS (
    SELECT 1 FROM tasks t WHERE t.quest_id = q.quest_id AND t.pool = :pool AND t.kind = 'task'
        AND t.status IN ('open', 'blocked', 'running'))
ORDER BY q.quest_id;

-- name: accounts_of_owners
-- Every account behind which one of these owners stands.
SELECT account_id, owner_id FROM token_accounts
WHERE owner_id IN each_text(:owner_ids) AND kind <> 'system' ORDER BY account_id;

-- name: fair_shares_elsewhere
-- What accounts would get of the last buckets of other pools if those went by priority.
SELECT s.account_id, CAST(SUM(s.fair_share_tokens) AS BIGINT) AS tokens FROM income_shares s
WHERE s.pool <> :pool AND s.account_id IN each_text(:account_ids)
    AND s.day = (SELECT MAX(r.day) FROM income_runs r WHERE r.pool = s.pool)
GROUP BY s.account_id;

-- name: span_of_rounds
-- When a pool held its first round and its last one.
SELECT MIN(cleared_at) AS first_at, MAX(cleared_at) AS last_at FROM compute_auction_rounds WHERE pool = :pool;

-- name: slots_sold_since
-- How many slots a pool has sold in rounds after an instant.
SELECT CAST(COALESCE(SUM(sold), 0) AS BIGINT) FROM compute_auction_rounds
WHERE pool = :pool AND cleared_at > :since_at;

-- name: recent_rounds
-- The slots and clears of a pool's last rounds.
SELECT slots, sold FROM compute_auction_rounds WHERE pool = :pool
ORDER BY cleared_at DESC, round_id DESC LIMIT :page;

-- name: price_level
-- What slots of a pool would cost if no wallet limited any bid.
SELECT pool, level_tokens, rounds, changed_at FROM market_price_levels WHERE pool = :pool;

-- name: save_price_level!
-- Store a pool's price level, moved by one more round.
INSERT INTO market_price_levels (pool, level_tokens, rounds, changed_at) VALUES (:pool, :level_tokens, 1, :now)
ON CONFLICT (pool) DO UPDATE SET level_tokens = excluded.level_tokens,
    rounds = market_price_levels.rounds + 1, changed_at = excluded.changed_at;

-- name: claim_indexed_income!
-- Note a day's income of a pool and what it was indexed by; no row is changed where it was paid before.
INSERT INTO income_runs (pool, day, bucket_tokens, paid_tokens, paid_at, slots_of_day, price_level_tokens)
VALUES (:pool, :day, :bucket_tokens, :paid_tokens, :paid_at, :slots_of_day, :price_level_tokens)
ON CONFLICT (pool, day) DO NOTHING;

-- name: append_income_shares!
-- Keep what each account got of a day's bucket.
INSERT INTO income_shares (pool, day, account_id, base_tokens, impact_tokens, garnished_tokens, burnt_tokens,
    fair_share_tokens)
VALUES (:pool, :day, :account_id, :base_tokens, :impact_tokens, :garnished_tokens, :burnt_tokens,
    :fair_share_tokens);

-- name: append_income_parts!
-- Keep what accounts got of a day's bucket by priority.
INSERT INTO income_parts (pool, day, account_id, earner, priority, tokens, joined_at)
VALUES (:pool, :day, :account_id, :earner, :priority, :tokens, :joined_at);

-- name: save_income_parts!
-- Store what accounts have got of a day's bucket by priority, after more was paid or some was taken back.
UPDATE income_parts SET priority = :priority, tokens = :tokens, corrected = :corrected
WHERE pool = :pool AND day = :day AND account_id = :account_id;

-- name: income_parts_of_day
-- What accounts got of a day's bucket by priority.
SELECT account_id, earner, priority, tokens, joined_at, corrected FROM income_parts
WHERE pool = :pool AND day = :day ORDER BY account_id;

-- name: change_income_shares!
-- Count into accounts' shares of a day's bucket what they got more of it by priority, or gave back.
UPDATE income_shares SET base_tokens = base_tokens + :tokens, burnt_tokens = burnt_tokens + :burnt_tokens,
    garnished_tokens = garnished_tokens + :garnished_tokens
WHERE pool = :pool AND day = :day AND account_id = :account_id;

-- name: keep_base_of_income!
-- Keep what of a day's bucket goes by priority.
UPDATE income_runs SET base_tokens = :base_tokens WHERE pool = :pool AND day = :day;

-- name: grow_income!
-- Store a day's bucket that has grown, and what of it goes by priority.
UPDATE income_runs SET bucket_tokens = :bucket_tokens, base_tokens = :base_tokens WHERE pool = :pool AND day = :day;

-- name: income_run
-- A day's income of a pool, and how many days it was paid before.
SELECT bucket_tokens, base_tokens, paid_at,
    (SELECT COUNT(*) FROM income_runs e WHERE e.pool = r.pool AND e.day < r.day) AS earlier_days
FROM income_runs r WHERE pool = :pool AND day = :day;

-- name: income_shares_of_account
-- What an account got of daily buckets, newest first.
SELECT pool, day, account_id, base_tokens, impact_tokens, garnished_tokens, burnt_tokens, fair_share_tokens
FROM income_shares WHERE account_id = :account_id AND day < :before ORDER BY day DESC, pool LIMIT :page;

-- name: impacts_to_count
-- Attested impact of a pool's slots that has earned no share of a bucket yet.
SELECT slot_id, account_id, impact_usd, counted_usd, earned_tokens FROM attested_impacts
WHERE pool = :pool AND impact_usd > counted_usd ORDER BY slot_id;

-- name: attested_impact
-- A slot's attested impact, and what it has earned.
SELECT slot_id, account_id, impact_usd, counted_usd, earned_tokens FROM attested_impacts WHERE slot_id = :slot_id;

-- name: save_attested_impacts!
-- Store slots' attested impact, and what it has earned.
INSERT INTO attested_impacts (slot_id, pool, account_id, impact_usd, counted_usd, earned_tokens)
VALUES (:slot_id, :pool, :account_id, :impact_usd, :counted_usd, :earned_tokens)
ON CONFLICT (slot_id) DO UPDATE SET impact_usd = excluded.impact_usd, counted_usd = excluded.counted_usd,
    earned_tokens = excluded.earned_tokens;

-- name: arrears_of_accounts
-- What these accounts owe.
SELECT account_id, owed_tokens FROM token_arrears WHERE account_id IN each_text(:account_ids) AND owed_tokens > 0;

-- name: entitle_quest!
-- Say whether the floor serves a quest; no row is changed where that is so already.
UPDATE quests SET floor_entitled = :floor_entitled WHERE quest_id = :quest_id AND floor_entitled <> :floor_entitled;

-- name: entitled_quests
-- Quests that the operator entitled to the floor, and the round since which each has had no slot of a pool.
SELECT q.quest_id, q.account_id, a.owner_id, w.since_round FROM quests q
JOIN token_accounts a ON a.account_id = q.account_id
LEFT JOIN quest_waits w ON w.quest_id = q.quest_id AND w.pool = :pool
WHERE q.floor_entitled = 1 ORDER BY q.quest_id;

-- name: keep_gift!
-- Keep what was claimed of a task for which the floor gave a slot away, and what the treasury pays for that slot.
INSERT INTO floor_gifts (slot_id, claimed_usd, price_tokens) VALUES (:slot_id, :claimed_usd, :price_tokens);

-- name: price_of_gift
-- What the treasury pays for a slot that the floor gave away.
SELECT price_tokens FROM floor_gifts WHERE slot_id = :slot_id;

-- name: claim_of_task
-- What a task is worth by its quest's claim.
SELECT expected_value_usd FROM tasks WHERE task_id = :task_id;

-- name: task_for_floor
-- The most valuable task of an active quest in a pool that may run now, holds no slot and is not given out.
SELECT t.task_id FROM tasks t JOIN quests q ON q.quest_id = t.quest_id
WHERE t.quest_id = :quest_id AND q.status = 'active' AND t.status = 'open' AND t.kind = 'task' AND t.pool = :pool
    AND (t.deadline_at IS NULL OR t.deadline_at > :now)
    AND NOT EXISTS (SELECT 1 FROM compute_auction_clears c
        WHERE c.winning_task_id = t.task_id AND c.status IN ('won', 'running'))
    AND NOT EXISTS (SELECT 1 FROM task_assignments a
        WHERE a.task_id = t.task_id AND a.status IN ('given', 'running'))
ORDER BY t.expected_value_usd DESC, t.task_id LIMIT 1;

-- name: floor_of_pool
-- How many rounds a pool's floor has counted, and what it may give away.
SELECT rounds, credit_hundredths FROM market_floors WHERE pool = :pool;

-- name: save_floor!
-- Store how many rounds a pool's floor has counted, and what it may give away.
INSERT INTO market_floors (pool, rounds, credit_hundredths) VALUES (:pool, :rounds, :credit_hundredths)
ON CONFLICT (pool) DO UPDATE SET rounds = excluded.rounds, credit_hundredths = excluded.credit_hundredths;

-- name: save_waits!
-- Store since which round quests have had no slot of a pool.
INSERT INTO quest_waits (pool, quest_id, since_round) VALUES (:pool, :quest_id, :since_round)
ON CONFLICT (pool, quest_id) DO UPDATE SET since_round = excluded.since_round;

-- name: insert_floor_clear!
-- Record the slot that the floor gave away.
INSERT INTO compute_auction_clears (slot_id, clearing_price_tokens, winning_task_id, slot_started_at, pool, round_id,
    bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens, provider_proceeds_tokens, status, reason)
VALUES (:slot_id, 0, :winning_task_id, :slot_started_at, :pool, :round_id, :bid_id, :bidder_id, :provider_id,
    0, 0, 0, 'won', :reason);

-- name: allowance_of_slot
-- How many tokens a slot may cost its provider.
SELECT token_allowance FROM compute_auction_asks WHERE slot_id = :slot_id;

-- name: owners_in_round
-- Who stood behind the bids that competed for one round, as ranked by price.
SELECT DISTINCT a.owner_id FROM compute_auction_bids b JOIN token_accounts a ON a.account_id = b.bidder_id
WHERE b.pool = :pool AND b.round_id = :round_id AND b.competing = 1 AND b.time_in_force = 'round'
ORDER BY a.owner_id LIMIT :page;

-- name: declared_allowance
-- What the winner of a slot declared that its run will use.
SELECT slot_id, declared_tokens, declared_at FROM declared_allowances WHERE slot_id = :slot_id;

-- name: save_declared_allowance!
-- Store what the winner of a slot declares that its run will use.
INSERT INTO declared_allowances (slot_id, declared_tokens, declared_at)
VALUES (:slot_id, :declared_tokens, :declared_at)
ON CONFLICT (slot_id) DO UPDATE SET declared_tokens = excluded.declared_tokens, declared_at = excluded.declared_at;
