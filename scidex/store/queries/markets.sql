-- name: add_pool!
-- Open a pool.
INSERT INTO compute_auction_pools (pool, mechanism, theta, tie_rule, open_round_id, seed, last_digest, created_at)
VALUES (:pool, :mechanism, :theta, :tie_rule, :open_round_id, :seed, '', :created_at)
ON CONFLICT (pool) DO NOTHING;

-- name: pools_named
-- These pools.
SELECT pool, mechanism, theta, tie_rule, open_round_id, seed, last_digest, created_at
FROM compute_auction_pools WHERE pool IN each_text(:pools);

-- name: all_pools
-- Every pool.
SELECT pool, mechanism, theta, tie_rule, open_round_id, seed, last_digest, created_at
FROM compute_auction_pools ORDER BY pool;

-- name: advance_pool!
-- Open a pool's next round.
UPDATE compute_auction_pools SET open_round_id = :open_round_id, seed = :seed, last_digest = :last_digest
WHERE pool = :pool AND open_round_id = :cleared_round_id;

-- name: insert_asks!
-- Offer slots.
INSERT INTO compute_auction_asks (slot_id, pool, provider_id, reserve_price_tokens, available_at, expires_at,
    token_allowance, max_seconds, status, sequence, offered_at)
VALUES (:slot_id, :pool, :provider_id, :reserve_price_tokens, :available_at, :expires_at,
    :token_allowance, :max_seconds, :status, :sequence, :offered_at);

-- name: asks_on_offer
-- The slots of a pool that are available now, cheapest first, with the principals behind them.
SELECT k.slot_id, k.provider_id, a.owner_id, a.kind, k.reserve_price_tokens, k.sequence
FROM compute_auction_asks k JOIN token_accounts a ON a.account_id = k.provider_id
WHERE k.status = 'open' AND k.pool = :pool AND k.available_at <= :now
    AND (k.expires_at IS NULL OR k.expires_at > :now)
ORDER BY k.reserve_price_tokens, k.sequence;

-- name: asks_of_round
-- The slots that a cleared round sold to bids.
SELECT k.slot_id, k.provider_id, a.owner_id, a.kind, k.reserve_price_tokens, k.sequence
FROM compute_auction_clears c
JOIN compute_auction_asks k ON k.slot_id = c.slot_id
JOIN token_accounts a ON a.account_id = k.provider_id
WHERE c.round_id = :round_id AND c.bid_id > 0;

-- name: lock_ask
-- Lock one slot's offer.
SELECT slot_id FROM compute_auction_asks WHERE slot_id = :slot_id FOR UPDATE;

-- name: ask
-- One slot on offer, or that was.
SELECT slot_id, pool, provider_id, reserve_price_tokens, available_at, expires_at, token_allowance, max_seconds,
    status, sequence, offered_at
FROM compute_auction_asks WHERE slot_id = :slot_id;

-- name: sell_asks!
-- Take sold slots off the market.
UPDATE compute_auction_asks SET status = 'sold' WHERE slot_id IN each_text(:slot_ids);

-- name: withdraw_ask!
-- Take an unsold slot off the market.
UPDATE compute_auction_asks SET status = 'withdrawn' WHERE slot_id = :slot_id AND status = 'open';

-- name: expire_asks!
-- Take slots off the market whose offer has ended.
UPDATE compute_auction_asks SET status = 'expired'
WHERE status = 'open' AND pool = :pool AND expires_at <= :now;

-- name: insert_round!
-- Keep what a round decided and what is needed to decide it again.
INSERT INTO compute_auction_rounds (round_id, pool, cleared_at, slots, bids, sold, clearing_price_tokens,
    runner_up_bid_id, mechanism, theta, tie_rule, seed, book, digest, previous_digest)
VALUES (:round_id, :pool, :cleared_at, :slots, :bids, :sold, :clearing_price_tokens,
    :runner_up_bid_id, :mechanism, :theta, :tie_rule, :seed, :book, :digest, :previous_digest);

-- name: round
-- One cleared round.
SELECT round_id, pool, cleared_at, slots, bids, sold, clearing_price_tokens, runner_up_bid_id, mechanism, theta,
    tie_rule, seed, book, digest, previous_digest
FROM compute_auction_rounds WHERE round_id = :round_id;

-- name: rounds_since
-- A pool's rounds since an instant, newest first.
SELECT round_id, pool, cleared_at, slots, bids, sold, clearing_price_tokens, runner_up_bid_id, mechanism, theta,
    tie_rule, seed, digest, previous_digest
FROM compute_auction_rounds WHERE pool = :pool AND cleared_at > :since_at AND cleared_at <= :now
ORDER BY cleared_at DESC, round_id DESC LIMIT :page;

-- name: rounds_page
-- A pool's rounds before one, newest first.
SELECT round_id, pool, cleared_at, slots, bids, sold, clearing_price_tokens, runner_up_bid_id, mechanism, tie_rule,
    digest, previous_digest
FROM compute_auction_rounds WHERE pool = :pool AND round_id < :before ORDER BY round_id DESC LIMIT :page;

-- name: insert_clears!
-- Record slots sold.
INSERT INTO compute_auction_clears (slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id,
    slot_started_at, pool, round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens,
    provider_proceeds_tokens, runner_up_price_tokens, status)
VALUES (:slot_id, :clearing_price_tokens, :winning_task_id, :runner_up_task_id,
    :slot_started_at, :pool, :round_id, :bid_id, :bidder_id, :provider_id, :max_price_tokens,
    CAST(:max_price_tokens AS BIGINT) - CAST(:clearing_price_tokens AS BIGINT), :provider_proceeds_tokens,
    :runner_up_price_tokens, 'won');

-- name: lock_clear
-- Lock one slot's clear.
SELECT slot_id FROM compute_auction_clears WHERE slot_id = :slot_id FOR UPDATE;

-- name: clear
-- One slot sold.
SELECT slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id, slot_started_at, slot_finished_at,
    pool, round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens,
    provider_proceeds_tokens, runner_up_price_tokens,
    CASE WHEN cost_is_known = 1 THEN actual_cost_tokens END AS actual_cost_tokens,
    actual_impact, roi, attested_by, status, reason, judged_at, attest_ends_at
FROM compute_auction_clears WHERE slot_id = :slot_id;

-- name: clears_of_round
-- The slots a round sold, in the order in which they were offered, what its floor gave away after them.
SELECT c.slot_id, c.clearing_price_tokens, c.winning_task_id, c.runner_up_task_id, c.slot_started_at,
    c.slot_finished_at, c.pool, c.round_id, c.bid_id, c.bidder_id, c.provider_id, c.max_price_tokens,
    c.winning_premium_tokens, c.provider_proceeds_tokens, c.runner_up_price_tokens,
    CASE WHEN c.cost_is_known = 1 THEN c.actual_cost_tokens END AS actual_cost_tokens,
    c.actual_impact, c.roi, c.attested_by, c.status, c.reason, c.judged_at, c.attest_ends_at
FROM compute_auction_clears c JOIN compute_auction_asks k ON k.slot_id = c.slot_id
WHERE c.round_id = :round_id ORDER BY CASE WHEN c.bid_id < 0 THEN 1 ELSE 0 END, k.sequence;

-- name: clears_page
-- A pool's slots sold, newest round first, those past one of them.
SELECT slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id, slot_started_at, slot_finished_at,
    pool, round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens,
    provider_proceeds_tokens, runner_up_price_tokens,
    CASE WHEN cost_is_known = 1 THEN actual_cost_tokens END AS actual_cost_tokens,
    actual_impact, roi, attested_by, status, reason, judged_at, attest_ends_at
FROM compute_auction_clears
WHERE pool = :pool AND round_id <= :before_round AND (round_id < :before_round OR bid_id < :before_bid)
ORDER BY round_id DESC, bid_id DESC LIMIT :page;

-- name: live_clears_of_bidder
-- The slots that an account has won and that are not settled, oldest round first, those behind one of them ('': all).
SELECT slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id, slot_started_at, slot_finished_at,
    pool, round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens,
    provider_proceeds_tokens, runner_up_price_tokens,
    CASE WHEN cost_is_known = 1 THEN actual_cost_tokens END AS actual_cost_tokens,
    actual_impact, roi, attested_by, status, reason, judged_at, attest_ends_at
FROM compute_auction_clears
WHERE bidder_id = :bidder_id AND status IN ('won', 'running') AND slot_finished_at IS NULL
    AND (:after = '' OR (round_id, bid_id) > (
        SELECT past.round_id, past.bid_id FROM compute_auction_clears past WHERE past.slot_id = :after))
ORDER BY round_id, bid_id LIMIT :page;

-- name: top_clears
-- The dearest slots sold in a pool since an instant.
SELECT c.slot_id, c.clearing_price_tokens, c.winning_task_id, c.runner_up_task_id, c.slot_started_at,
    c.slot_finished_at, c.pool, c.round_id, c.bid_id, c.bidder_id, c.provider_id, c.max_price_tokens,
    c.winning_premium_tokens, c.provider_proceeds_tokens, c.runner_up_price_tokens,
    CASE WHEN c.cost_is_known = 1 THEN c.actual_cost_tokens END AS actual_cost_tokens,
    c.actual_impact, c.roi, c.attested_by, c.status, c.reason, c.judged_at, c.attest_ends_at
FROM compute_auction_rounds r JOIN compute_auction_clears c ON c.round_id = r.round_id
WHERE r.pool = :pool AND r.cleared_at > :since_at AND r.cleared_at <= :now
ORDER BY c.max_price_tokens DESC, c.bid_id LIMIT :page;

-- name: sums_of_clears
-- What a pool sold since an instant, what it cost and what it brought.
SELECT COUNT(*) AS slots_sold,
    CAST(COALESCE(SUM(c.clearing_price_tokens), 0) AS BIGINT) AS tokens_cleared,
    CAST(COALESCE(SUM(c.winning_premium_tokens), 0) AS BIGINT) AS premium_tokens,
    CAST(COALESCE(SUM(c.actual_cost_tokens), 0) AS BIGINT) AS actual_cost_tokens,
    COALESCE(SUM(c.actual_impact), 0.0) AS actual_impact,
    CAST(COALESCE(SUM(CASE WHEN c.status = 'settled' THEN 1 ELSE 0 END), 0) AS BIGINT) AS settled,
    CAST(COALESCE(SUM(CASE WHEN c.status = 'voided' THEN 1 ELSE 0 END), 0) AS BIGINT) AS voided
FROM compute_auction_rounds r JOIN compute_auction_clears c ON c.round_id = r.round_id
WHERE r.pool = :pool AND r.cleared_at > :since_at AND r.cleared_at <= :now;

-- name: sums_of_bidders
-- What each bidder won in a pool since an instant, what it paid and what came of it; those that paid most first.
SELECT c.bidder_id, COUNT(*) AS slots_won,
    CAST(COALESCE(SUM(CASE WHEN c.status = 'settled' THEN c.clearing_price_tokens ELSE 0 END), 0) AS BIGINT)
        AS paid_tokens,
    CAST(COALESCE(SUM(c.actual_cost_tokens), 0) AS BIGINT) AS actual_cost_tokens,
    COALESCE(SUM(c.actual_impact), 0.0) AS actual_impact
FROM compute_auction_rounds r JOIN compute_auction_clears c ON c.round_id = r.round_id
WHERE r.pool = :pool AND r.cleared_at > :since_at AND r.cleared_at <= :now AND c.status <> 'voided'
GROUP BY c.bidder_id ORDER BY paid_tokens DESC, c.bidder_id LIMIT :page;

-- name: book_bids
-- The best bids of a pool that may compete in a round (0: those that rest), best first.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bids
WHERE pool = :pool AND round_id = :round_id AND competing = 1 AND ttl_at > :now
ORDER BY max_price_tokens DESC, sequence LIMIT :page;

-- name: waiting_bids
-- The best open bids of a pool and round (0: those that rest) that may not compete now, best first.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, reason
FROM compute_auction_bids
WHERE pool = :pool AND round_id = :round_id AND status = 'open' AND competing = 0 AND ttl_at > :now
ORDER BY max_price_tokens DESC, sequence LIMIT :page;

-- name: book_asks
-- The slots a pool has on offer, soonest first.
SELECT slot_id, pool, provider_id, reserve_price_tokens, available_at, expires_at, token_allowance, max_seconds,
    status, sequence, offered_at
FROM compute_auction_asks
WHERE status = 'open' AND pool = :pool AND (expires_at IS NULL OR expires_at > :now)
ORDER BY available_at, reserve_price_tokens, sequence LIMIT :page;

-- name: settle_clear!
-- Write down what a slot cost and brought.
UPDATE compute_auction_clears SET status = 'settled', actual_cost_tokens = :actual_cost_tokens,
    cost_is_known = :cost_is_known, actual_impact = :actual_impact, roi = :roi, attested_by = :attested_by,
    slot_finished_at = :slot_finished_at, reason = :reason, judged_at = :judged_at, attest_ends_at = :attest_ends_at
WHERE slot_id = :slot_id AND status IN ('won', 'running');

-- name: void_clear!
-- Undo a clear whose slot died.
UPDATE compute_auction_clears SET status = 'voided', reason = :reason, slot_finished_at = :slot_finished_at
WHERE slot_id = :slot_id AND status IN ('won', 'running');

-- name: attest_clear!
-- The latest word on a slot's impact.
UPDATE compute_auction_clears SET actual_impact = :actual_impact, roi = :roi, attested_by = :attested_by,
    judged_at = :judged_at
WHERE slot_id = :slot_id;

-- name: append_attestation!
-- Keep every word on a slot's impact, in order.
INSERT INTO compute_auction_attestations (slot_id, revision, actual_impact, attested_by, made_at)
VALUES (:slot_id, :revision, :actual_impact, :attested_by, :made_at);

-- name: attestations_of
-- Every word on a slot's impact, in order.
SELECT slot_id, revision, actual_impact, attested_by, made_at
FROM compute_auction_attestations WHERE slot_id = :slot_id ORDER BY revision;
