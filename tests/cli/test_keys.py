"""`scidex key …` makes, lists, rotates and revokes keys, and shows each secret once."""

from __future__ import annotations

import json

import pytest

from scidex.exchange import compute_auction, keys, token_ledger
from scidex.store import connect
from tests.cli.running import scidex


@pytest.fixture
def market(empty_url):
    """The address of a market with the account ada."""
    with connect(empty_url) as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)
    return empty_url


def key(market: str, *words: str) -> tuple[int, str, str]:
    return scidex("key", *words, "--db", market)


def test_a_key_from_its_making_to_its_end(market):
    code, text, told = key(market, "create", "--account", "ada", "--scope", "bid", "--scope", "read", "--expires", "9d")
    key_id, secret = text.strip().split("_")[1:]

    assert (code, told) == (0, f"Key {key_id} acts for ada (bid read). It is shown this once.\n")
    [listed] = json.loads(key(market, "list", "--account", "ada", "--json")[1])
    assert (listed["key_id"], listed["scopes"], listed["revoked_at"]) == (key_id, "bid read", None)
    assert secret not in key(market, "list")[1]
    with connect(market) as db:
        assert keys.authenticate(text.strip(), db=db).account_id == "ada"

    rotated = json.loads(key(market, "rotate", key_id, "--overlap", "0s", "--json")[1])
    assert rotated["account_id"] == "ada"
    with connect(market) as db:
        assert keys.authenticate(rotated["key"], db=db).scopes == {"bid", "read"}

    code, out, _ = key(market, "revoke", rotated["key_id"])
    assert (code, out.startswith(f"{rotated['key_id']} of ada was revoked at ")) == (0, True)
    assert len(json.loads(key(market, "list", "--json")[1])) == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("create", "--account", "nobody", "--scope", "bid"), 1),
        (("create", "--account", "ada", "--scope", "fly"), 2),
        (("create", "--account", "ada"), 2),
        (("create", "--account", "ada", "--scope", "bid", "--expires", "soon"), 2),
        (("create", "--account", "ada", "--scope", "bid", "--expires", "2001-01-01T00:00:00Z"), 2),
        (("rotate", "none"), 1),
        (("rotate", "none", "--overlap", "long"), 2),
        (("revoke", "none"), 1),
    ],
)
def test_what_cannot_be_is_told(tmp_path, words, code):
    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)

    ended, out, error = key(f"sqlite:///{tmp_path}/market.db", *words)

    assert (ended, out) == (code, "")
    assert "Traceback" not in error
