-- name: insert_clears!
-- Record slots sold. The columns are unfolded side by side, which a scan of them as one table would first write down.
INSERT INTO compute_auction_clears (slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id,
    slot_started_at, pool, round_id, bid_id, bidder_id, provider_id, max_price_tokens, winning_premium_tokens,
    provider_proceeds_tokens, runner_up_price_tokens, status)
SELECT n.slot_id, n.clearing_price_tokens, n.winning_task_id, CAST(:runner_up_task_id AS text),
    CAST(:slot_started_at AS timestamptz), CAST(:pool AS text), CAST(:round_id AS bigint), n.bid_id, n.bidder_id,
    n.provider_id, n.max_price_tokens, n.max_price_tokens - n.clearing_price_tokens, n.provider_proceeds_tokens,
    CAST(:runner_up_price_tokens AS bigint), 'won'
FROM (
    SELECT unnest(CAST(:slot_id AS text[])) AS slot_id,
        unnest(CAST(:clearing_price_tokens AS bigint[])) AS clearing_price_tokens,
        unnest(CAST(:winning_task_id AS text[])) AS winning_task_id,
        unnest(CAST(:bid_id AS bigint[])) AS bid_id,
        unnest(CAST(:bidder_id AS text[])) AS bidder_id,
        unnest(CAST(:provider_id AS text[])) AS provider_id,
        unnest(CAST(:max_price_tokens AS bigint[])) AS max_price_tokens,
        unnest(CAST(:provider_proceeds_tokens AS bigint[])) AS provider_proceeds_tokens
) AS n;

-- name: insert_asks!
-- Offer slots.
INSERT INTO compute_auction_asks (slot_id, pool, provider_id, reserve_price_tokens, available_at, expires_at,
    token_allowance, max_seconds, status, sequence, offered_at)
SELECT * FROM unnest(CAST(:slot_id AS text[]), CAST(:pool AS text[]), CAST(:provider_id AS text[]),
    CAST(:reserve_price_tokens AS bigint[]), CAST(:available_at AS timestamptz[]),
    CAST(:expires_at AS timestamptz[]), CAST(:token_allowance AS bigint[]), CAST(:max_seconds AS bigint[]),
    CAST(:status AS text[]), CAST(:sequence AS bigint[]), CAST(:offered_at AS timestamptz[]));
