-- name: all_of_api_key_uses
-- Every row of api_key_uses, as a replay of the journal makes it too.
SELECT key_id, last_used_at
FROM api_key_uses;

-- name: all_of_api_keys
-- Every row of api_keys, as a replay of the journal makes it too.
SELECT key_id, account_id, scopes, secret_sha256, label, created_at, expires_at, revoked_at, successor_id
FROM api_keys;

-- name: all_of_attested_impacts
-- Every row of attested_impacts, as a replay of the journal makes it too.
SELECT slot_id, pool, account_id, impact_usd, counted_usd, earned_tokens
FROM attested_impacts;

-- name: all_of_bidder_calibrations
-- Every row of bidder_calibrations, as a replay of the journal makes it too.
SELECT pool, bidder_id, slope, intercept, updated_at
FROM bidder_calibrations;

-- name: all_of_breakers
-- Every row of breakers, as a replay of the journal makes it too.
SELECT kind, provider_id, name, trips, cause, note, opened_at, ends_at, trial_worker_id, trial_at
FROM breakers;

-- name: all_of_compute_auction_asks
-- Every row of compute_auction_asks, as a replay of the journal makes it too.
SELECT slot_id, pool, provider_id, reserve_price_tokens, available_at, expires_at, token_allowance, max_seconds,
    status, sequence, offered_at
FROM compute_auction_asks;

-- name: all_of_compute_auction_attestations
-- Every row of compute_auction_attestations, as a replay of the journal makes it too.
SELECT slot_id, revision, actual_impact, attested_by, made_at
FROM compute_auction_attestations;

-- name: all_of_compute_auction_bids
-- Every row of compute_auction_bids, as a replay of the journal makes it too.
SELECT id, bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, status, pool, placed_at, sequence,
    time_in_force, round_id, competing, reason, for_backlog
FROM compute_auction_bids;

-- name: all_of_compute_auction_book_counts
-- Every row of compute_auction_book_counts, as a replay of the journal makes it too.
SELECT pool, stripe, round_id, round_bids, resting_bids
FROM compute_auction_book_counts;

-- name: all_of_compute_auction_clears
-- Every row of compute_auction_clears, as a replay of the journal makes it too.
SELECT slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id, slot_started_at, slot_finished_at, pool,
    round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens, provider_proceeds_tokens,
    runner_up_price_tokens, actual_cost_tokens, actual_impact, roi, attested_by, status, reason, cost_is_known,
    judged_at, attest_ends_at
FROM compute_auction_clears;

-- name: all_of_compute_auction_pools
-- Every row of compute_auction_pools, as a replay of the journal makes it too.
SELECT pool, mechanism, theta, tie_rule, open_round_id, seed, last_digest, created_at
FROM compute_auction_pools;

-- name: all_of_compute_auction_rounds
-- Every row of compute_auction_rounds, as a replay of the journal makes it too.
SELECT round_id, pool, cleared_at, slots, bids, sold, clearing_price_tokens, runner_up_bid_id, mechanism, theta,
    tie_rule, seed, book, digest, previous_digest
FROM compute_auction_rounds;

-- name: all_of_declared_allowances
-- Every row of declared_allowances, as a replay of the journal makes it too.
SELECT slot_id, declared_tokens, declared_at
FROM declared_allowances;

-- name: all_of_evaluators
-- Every row of evaluators, as a replay of the journal makes it too.
SELECT evaluator_id, attest_within_hours, changed_at
FROM evaluators;

-- name: all_of_floor_gifts
-- Every row of floor_gifts, as a replay of the journal makes it too.
SELECT slot_id, claimed_usd, price_tokens
FROM floor_gifts;

-- name: all_of_idempotency_keys
-- Every row of idempotency_keys, as a replay of the journal makes it too.
SELECT scope, idempotency_key, arguments_digest, answer, made_at
FROM idempotency_keys;

-- name: all_of_income_parts
-- Every row of income_parts, as a replay of the journal makes it too.
SELECT pool, day, account_id, earner, priority, tokens, joined_at, corrected
FROM income_parts;

-- name: all_of_income_runs
-- Every row of income_runs, as a replay of the journal makes it too.
SELECT pool, day, bucket_tokens, paid_tokens, paid_at, slots_of_day, price_level_tokens, base_tokens
FROM income_runs;

-- name: all_of_income_shares
-- Every row of income_shares, as a replay of the journal makes it too.
SELECT pool, day, account_id, base_tokens, impact_tokens, garnished_tokens, burnt_tokens, fair_share_tokens
FROM income_shares;

-- name: all_of_journal
-- Every row of journal, as a replay of the journal makes it too.
SELECT entry_id, verb, actor, arguments, generated, made_at
FROM journal;

-- name: all_of_leases
-- Every row of leases, as a replay of the journal makes it too.
SELECT fence, run_id, source, task_id, worker_id, lease_seconds, status, leased_at, ends_at, ended_at, heartbeats,
    last_heartbeat_at, started_at, exited_at, metered_at, exit_note, usage_note
FROM leases;

-- name: all_of_market_cycles
-- Every row of market_cycles, as a replay of the journal makes it too.
SELECT pool, paused, interval_seconds, expected_from_at, last_cycle_at, next_cycle_at, missed, mode, mode_since_at,
    mode_reason
FROM market_cycles;

-- name: all_of_market_floors
-- Every row of market_floors, as a replay of the journal makes it too.
SELECT pool, rounds, credit_hundredths
FROM market_floors;

-- name: all_of_market_mode_switches
-- Every row of market_mode_switches, as a replay of the journal makes it too.
SELECT pool, ordinal, mode, reason, switched_at
FROM market_mode_switches;

-- name: all_of_market_price_levels
-- Every row of market_price_levels, as a replay of the journal makes it too.
SELECT pool, level_tokens, rounds, changed_at
FROM market_price_levels;

-- name: all_of_market_settings
-- Every row of market_settings, as a replay of the journal makes it too.
SELECT pool, profile, settings, changed_at
FROM market_settings;

-- name: all_of_quest_budget_allocations
-- Every row of quest_budget_allocations, as a replay of the journal makes it too.
SELECT day, quest_id, allocated_tokens, used_tokens, updated_at
FROM quest_budget_allocations;

-- name: all_of_quest_pacing
-- Every row of quest_pacing, as a replay of the journal makes it too.
SELECT quest_id, pool, alpha, target_tokens, round_id, updated_at
FROM quest_pacing;

-- name: all_of_quest_waits
-- Every row of quest_waits, as a replay of the journal makes it too.
SELECT pool, quest_id, since_round
FROM quest_waits;

-- name: all_of_quests
-- Every row of quests, as a replay of the journal makes it too.
SELECT quest_id, title, account_id, priority, status, created_at, strategy, floor_entitled
FROM quests;

-- name: all_of_refused_attempts
-- Every row of refused_attempts, as a replay of the journal makes it too.
SELECT attempt_id, refused_at, account_id, key_id, method, route, status, error, request_id, place, attempts
FROM refused_attempts;

-- name: all_of_run_endings
-- Every row of run_endings, as a replay of the journal makes it too.
SELECT run_id, ending, cause, note, retry_at, task_id, worker_id, ended_at
FROM run_endings;

-- name: all_of_run_outputs
-- Every row of run_outputs, as a replay of the journal makes it too.
SELECT run_id, ended, exit_code, reason, stdout, stderr, output_bytes, seconds, recorded_at
FROM run_outputs;

-- name: all_of_run_pull_requests
-- Every row of run_pull_requests, as a replay of the journal makes it too.
SELECT run_id, url, state, checks, merged_at, named_at, seen_at
FROM run_pull_requests;

-- name: all_of_run_usages
-- Every row of run_usages, as a replay of the journal makes it too.
SELECT run_id, revision, meter, provenance, tokens, input_tokens, cached_input_tokens, output_tokens, cost_usd,
    cost_provenance, note, model, recorded_at
FROM run_usages;

-- name: all_of_task_assignments
-- Every row of task_assignments, as a replay of the journal makes it too.
SELECT assignment_id, source, agent_id, task_id, quest_id, pool, slot_id, day, charged_tokens, status, succeeded,
    actual_cost_tokens, actual_impact, attested_by, note, given_at, started_at, finished_at
FROM task_assignments;

-- name: all_of_task_dependencies
-- Every row of task_dependencies, as a replay of the journal makes it too.
SELECT task_id, depends_on
FROM task_dependencies;

-- name: all_of_task_losses
-- Every row of task_losses, as a replay of the journal makes it too.
SELECT task_id, losses
FROM task_losses;

-- name: all_of_tasks
-- Every row of tasks, as a replay of the journal makes it too.
SELECT task_id, quest_id, title, status, expected_value_usd, estimated_cost_tokens, pool, payload, deadline_at,
    attempts, created_at, updated_at, status_reason, status_by, kind, source, written_back_at
FROM tasks;

-- name: all_of_token_accounts
-- Every row of token_accounts, as a replay of the journal makes it too.
SELECT account_id, kind, owner_id, balance_tokens, held_tokens, entries, created_at
FROM token_accounts;

-- name: all_of_token_arrears
-- Every row of token_arrears, as a replay of the journal makes it too.
SELECT account_id, owed_tokens
FROM token_arrears;

-- name: all_of_token_bid_holds
-- Every row of token_bid_holds, as a replay of the journal makes it too.
SELECT account_id, pool, round_id, round_tokens, resting_tokens, suspended_bids
FROM token_bid_holds;

-- name: all_of_token_refills
-- Every row of token_refills, as a replay of the journal makes it too.
SELECT slot_id, revision, account_id, due_tokens, minted_tokens, burnt_tokens, arrears_after, made_at
FROM token_refills;

-- name: all_of_token_transfers
-- Every row of token_transfers, as a replay of the journal makes it too.
SELECT transfer_id, debit_account_id, credit_account_id, amount_tokens, reason, debit_entry, debit_balance_after,
    credit_entry, credit_balance_after, made_at
FROM token_transfers;

-- name: all_of_worker_failures
-- Every row of worker_failures, as a replay of the journal makes it too.
SELECT worker_id, failures, last_task_id, since_at
FROM worker_failures;

-- name: all_of_worker_slots
-- Every row of worker_slots, as a replay of the journal makes it too.
SELECT slot_id, worker_id
FROM worker_slots;

-- name: all_of_workers
-- Every row of workers, as a replay of the journal makes it too.
SELECT worker_id, account_id, provider_id, draws_on, pool, seats, lease_seconds, status, stopped_because,
    registered_at, ends_at, ended_at
FROM workers;

-- name: broken_digest_chains
-- Rounds whose digest the next round of their pool, or the pool itself, does not go on from.
SELECT c.pool, c.round_id
FROM (
    SELECT r.pool, r.round_id, r.previous_digest, LAG(r.digest) OVER (PARTITION BY r.pool ORDER BY r.round_id) AS digest
    FROM compute_auction_rounds r
    UNION ALL
    SELECT p.pool, p.open_round_id, p.last_digest,
        (SELECT r.digest FROM compute_auction_rounds r WHERE r.pool = p.pool ORDER BY r.round_id DESC LIMIT 1)
    FROM compute_auction_pools p
) c
WHERE c.previous_digest <> COALESCE(c.digest, '')
ORDER BY c.pool, c.round_id;

-- name: round_ids_after
-- A page of the numbers of cleared rounds, of all pools.
SELECT round_id FROM compute_auction_rounds WHERE round_id > :round_id ORDER BY round_id LIMIT :page;

-- name: count_journal
-- How many writes the journal tells of.
SELECT COUNT(*) FROM journal;

-- name: last_journaled
-- When the latest write was made, by its own account.
SELECT MAX(made_at) AS made_at FROM journal;
