-- name: add_key!
-- Keep a new key: its secret's digest, never the secret.
INSERT INTO api_keys (key_id, account_id, scopes, secret_sha256, label, created_at, expires_at)
VALUES (:key_id, :account_id, :scopes, :secret_sha256, :label, :created_at, :expires_at)
ON CONFLICT (key_id) DO NOTHING;

-- name: key
-- One key, whose it is, and when it was last used.
SELECT k.key_id, k.account_id, a.kind, a.owner_id, k.scopes, k.secret_sha256, k.label, k.created_at, k.expires_at,
    k.revoked_at, k.successor_id, u.last_used_at
FROM api_keys k
JOIN token_accounts a ON a.account_id = k.account_id
LEFT JOIN api_key_uses u ON u.key_id = k.key_id
WHERE k.key_id = :key_id;

-- name: lock_key
-- Keep a key from being revoked until this has committed.
SELECT account_id, scopes, label, expires_at, revoked_at FROM api_keys WHERE key_id = :key_id FOR SHARE;

-- name: lock_key_to_change
-- A key that nobody uses or changes until this has committed.
SELECT account_id, scopes, label, expires_at, revoked_at FROM api_keys WHERE key_id = :key_id FOR UPDATE;

-- name: keys_page
-- Keys in the order of their ids, of one account or ('') of all.
SELECT k.key_id, k.account_id, k.scopes, k.label, k.created_at, k.expires_at, k.revoked_at, k.successor_id,
    u.last_used_at
FROM api_keys k
LEFT JOIN api_key_uses u ON u.key_id = k.key_id
WHERE k.key_id > :after AND (k.account_id = :account_id OR :account_id = '')
ORDER BY k.key_id LIMIT :page;

-- name: revoke_key!
-- End a key.
UPDATE api_keys SET revoked_at = :revoked_at WHERE key_id = :key_id;

-- name: succeed_key!
-- Let a key end soon, and name the one that takes its place.
UPDATE api_keys SET expires_at = :expires_at, successor_id = :successor_id WHERE key_id = :key_id;

-- name: note_key_use!
-- Remember when a key was last used.
INSERT INTO api_key_uses (key_id, last_used_at) VALUES (:key_id, :last_used_at)
ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at
WHERE api_key_uses.last_used_at < excluded.last_used_at;

-- name: live_keys
-- How many keys would be let in.
SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- name: account_of_owner
-- An account, if it is its asker's owner's ('' asks for any).
SELECT account_id, kind, owner_id FROM token_accounts
WHERE account_id = :account_id AND (owner_id = :owner_id OR :owner_id = '');

-- name: wallets_of_owner_page
-- An owner's wallets as they stand, in the order of their ids.
SELECT account_id, kind, owner_id, balance_tokens AS balance, held_tokens AS held FROM token_wallets
WHERE owner_id = :owner_id AND account_id > :after ORDER BY account_id LIMIT :page;

-- name: bid_of_owner
-- Who made a bid, if that is its asker's owner's account ('' asks for any).
SELECT b.bidder_id FROM compute_auction_bids b
JOIN token_accounts a ON a.account_id = b.bidder_id
WHERE b.id = :id AND (a.owner_id = :owner_id OR :owner_id = '');

-- name: slot_of_party
-- Who offers a slot and who bought it, if either is its asker, or a worker of its asker's leased it ('' asks for any).
SELECT k.provider_id, c.bidder_id FROM compute_auction_asks k
LEFT JOIN compute_auction_clears c ON c.slot_id = k.slot_id
WHERE k.slot_id = :slot_id
    AND (k.provider_id = :account_id OR c.bidder_id = :account_id OR :account_id = '' OR EXISTS (
        SELECT 1 FROM leases l JOIN workers w ON w.worker_id = l.worker_id
        WHERE l.run_id = k.slot_id AND w.account_id = :account_id));

-- name: run_of_party
-- Whether an account bought, offered or ran what ran.
SELECT run_id FROM (
    SELECT slot_id AS run_id, bidder_id AS account_id FROM compute_auction_clears WHERE slot_id = :run_id
    UNION ALL
    SELECT slot_id, provider_id FROM compute_auction_clears WHERE slot_id = :run_id
    UNION ALL
    SELECT assignment_id, agent_id FROM task_assignments WHERE assignment_id = :run_id
    UNION ALL
    SELECT l.run_id, w.account_id FROM leases l JOIN workers w ON w.worker_id = l.worker_id WHERE l.run_id = :run_id
) parties
WHERE account_id = :account_id LIMIT 1;

-- name: run_of_worker
-- Whether a worker of an account leased what ran.
SELECT l.run_id FROM leases l JOIN workers w ON w.worker_id = l.worker_id
WHERE l.run_id = :run_id AND w.account_id = :account_id LIMIT 1;
