"""Keys: each acts for one account, is told once, and ends when it is told to."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta

import pytest

from scidex import keyring
from scidex.errors import (
    InvalidArgument,
    InvalidId,
    InvalidTime,
    KeyRevoked,
    NotAuthenticated,
    ScidexError,
    UnknownAccount,
    UnknownKey,
)
from scidex.exchange import keys, token_ledger
from scidex.store import Database, requests
from scidex.store.db_writes import execute_journaled, read_journal
from scidex.web import operator_key
from tests.databases import assert_journal_tells_all, contents, query
from tests.market import NOON, after, fund


@pytest.fixture
def ada(db: Database) -> Database:
    """A market in which ada has 100 tokens."""
    fund(db, 100, "ada", owner_id="team")
    return db


def made(db: Database, *scopes: str, account: str = "ada", **terms):
    return keys.create_key(account, scopes or ("bid",), now=NOON, **terms, db=db)


def lets_in(db: Database, text: str, at=NOON) -> bool:
    try:
        keys.authenticate(text, now=at, db=db)
    except NotAuthenticated:
        return False
    return True


# --- what a key is


def test_a_key_acts_for_its_account_with_its_scopes(ada):
    new = made(ada, "read", "bid", "read", label="of a bot")

    who = keys.authenticate(new.text, now=NOON, db=ada)

    assert (who.key_id, who.account_id, who.owner_id, who.scopes) == (
        new.key.key_id,
        "ada",
        "team",
        frozenset({"bid", "read"}),
    )
    assert (new.key.scopes, new.key.label, new.key.created_at) == (("bid", "read"), "of a bot", NOON)
    assert not who.is_operator
    assert_journal_tells_all(ada)


def test_the_secret_is_kept_nowhere_only_its_digest(ada):
    text = made(ada).text
    prefix, key_id, secret = text.split("_")

    stored = repr(contents(ada)) + repr(list(read_journal(ada)))

    assert (prefix, len(key_id), len(secret)) == ("scidex", 16, 64)
    assert secret not in stored
    assert stored.count(hashlib.sha256(secret.encode()).hexdigest()) >= 2  # in its table, and in the journal


def test_no_two_keys_are_alike(ada):
    texts = [made(ada).text for _ in range(50)]

    assert len({part for text in texts for part in text.split("_")}) == 101


@pytest.mark.parametrize(
    "wrong",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text.upper(),
        lambda text: text + " ",
        lambda text: text.replace("scidex", "scidey"),
        lambda text: text[:7] + "f" * 16 + text[23:],
        lambda _: "",
        lambda _: None,
        lambda _: "' OR 1=1; --",
        lambda _: "scidex_" + "٣" * 16 + "_" + "0" * 64,
        lambda _: b"bytes",
    ],
)
def test_what_is_no_key_is_refused_and_nothing_more_is_told(ada, wrong):
    with pytest.raises(NotAuthenticated) as refused:
        keys.authenticate(wrong(made(ada).text), now=NOON, db=ada)

    assert refused.value.facts == {}


# --- how a key ends


def test_a_key_ends_when_it_expires(ada):
    text = made(ada, expires_at=after(10)).text

    assert [lets_in(ada, text, after(minutes)) for minutes in (0, 9.99, 10, 11)] == [True, True, False, False]


def test_a_revoked_key_is_refused_at_once_and_revoking_again_answers_the_same(ada):
    new = made(ada)

    first = keys.revoke_key(new.key.key_id, now=NOON, db=ada)
    again = keys.revoke_key(new.key.key_id, now=after(1), db=ada)

    assert first == again
    assert first.revoked_at == NOON
    assert not lets_in(ada, new.text)
    assert_journal_tells_all(ada)


def test_a_rotated_key_works_on_for_the_overlap_and_names_its_successor(ada):
    old = made(ada, "bid", "read", label="bot")

    new = keys.rotate_key(old.key.key_id, overlap_seconds=600, now=NOON, db=ada)

    assert (new.key.account_id, new.key.scopes, new.key.label) == ("ada", ("bid", "read"), "bot")
    assert keys.get_key(old.key.key_id, db=ada).successor_id == new.key.key_id
    assert [lets_in(ada, old.text, after(minutes)) for minutes in (0, 9, 10)] == [True, True, False]
    assert lets_in(ada, new.text, after(100))
    assert_journal_tells_all(ada)


def test_rotating_never_makes_a_key_live_longer(ada):
    old = made(ada, expires_at=after(5))

    keys.rotate_key(old.key.key_id, overlap_seconds=3_600, now=NOON, db=ada)

    assert not lets_in(ada, old.text, after(5))


def test_a_key_that_has_ended_is_not_rotated(ada):
    revoked, expired = made(ada), made(ada, expires_at=after(1))
    keys.revoke_key(revoked.key.key_id, now=NOON, db=ada)

    for ended in (revoked, expired):
        with pytest.raises(KeyRevoked):
            keys.rotate_key(ended.key.key_id, now=after(2), db=ada)


def test_when_a_key_was_last_used_is_noted_and_never_set_back(ada):
    new = made(ada)

    for minutes in (1, 3, 2):
        keys.note_key_uses({new.key.key_id: after(minutes), "unknown": NOON}, now=after(4), db=ada)

    assert keys.get_key(new.key.key_id, db=ada).last_used_at == after(3)
    assert_journal_tells_all(ada)


def test_keys_are_listed_by_account_and_page(ada):
    fund(ada, 0, "bob")
    mine = sorted(made(ada).key.key_id for _ in range(3))
    made(ada, account="bob")

    assert [key.key_id for key in keys.list_keys(account_id="ada", db=ada)] == mine
    assert [key.key_id for key in keys.list_keys(account_id="ada", after=mine[0], limit=1, db=ada)] == mine[1:2]
    assert len(keys.list_keys(db=ada)) == 4


# --- what no key may be


@pytest.mark.parametrize(
    ("account", "scopes", "error"),
    [
        ("nobody", ["bid"], UnknownAccount),
        ("ada", [], InvalidArgument),
        ("ada", "bid", InvalidArgument),
        ("ada", ["fly"], InvalidArgument),
        ("ada", [None], InvalidArgument),
        ("ada", 5, InvalidArgument),
        ("ada", ["admin"], InvalidArgument),
        ("system:treasury", ["admin", "bid"], InvalidArgument),
        ("system:treasury", ["bid"], InvalidArgument),
        ("system:treasury", ["work"], InvalidArgument),
        ("system:issuance", ["read"], InvalidId),
        ("", ["bid"], InvalidId),
    ],
)
def test_who_mints_cannot_bid_and_nobody_acts_for_nobody(ada, account, scopes, error):
    before = contents(ada)

    with pytest.raises(error):
        keys.create_key(account, scopes, now=NOON, db=ada)

    assert contents(ada) == before


@pytest.mark.parametrize("expires_at", [NOON, NOON - timedelta(days=1), NOON.replace(tzinfo=None), "tomorrow", 5])
def test_a_key_ends_at_an_instant_to_come(ada, expires_at):
    with pytest.raises(InvalidTime):
        made(ada, expires_at=expires_at)


@pytest.mark.parametrize("overlap", [-1, 1.5, True, None, "1", 10**9])
def test_an_overlap_is_a_whole_number_of_seconds(ada, overlap):
    new = made(ada)

    with pytest.raises(InvalidArgument) as refused:
        keys.rotate_key(new.key.key_id, overlap_seconds=overlap, now=NOON, db=ada)

    assert refused.value.field == "overlap_seconds"


@pytest.mark.parametrize("verb", [keys.revoke_key, keys.rotate_key, keys.get_key])
@pytest.mark.parametrize("key_id", ["none", "", 5, None, "a\x00b", "x" * 10_000])
def test_an_unknown_key_is_told(ada, verb, key_id):
    with pytest.raises(ScidexError) as refused:
        verb(key_id, db=ada)

    assert refused.value.facts["field"] == "key_id"
    assert (type(refused.value) is UnknownKey) == (key_id == "none")


# --- a key that is revoked while a request of it is under way


def test_nothing_is_committed_by_a_key_once_it_is_revoked(ada):
    new = made(ada)
    request = requests.Request(new.key.key_id, "ada POST", None, "")
    with requests.serving(request):
        token_ledger.transfer("ada", "system:treasury", 1, now=NOON, db=ada)
        keys.revoke_key(new.key.key_id, now=NOON, db=ada)
        with pytest.raises(NotAuthenticated):
            token_ledger.transfer("ada", "system:treasury", 1, now=NOON, db=ada)

    assert token_ledger.get_balance("ada", db=ada).balance == 99


def test_revoking_waits_for_what_the_key_is_doing(ada):
    """Whoever has revoked a key sees everything that was ever done with it."""
    new, begun, go_on = made(ada), threading.Event(), threading.Event()
    request = requests.Request(new.key.key_id, "ada POST", None, "")

    def slow_transfer() -> None:
        with requests.serving(request):
            execute_journaled(ada, _slow, {"event": "x"}, now=NOON)

    _STOPS["x"] = (begun, go_on)
    revoking = threading.Thread(target=lambda: keys.revoke_key(new.key.key_id, now=NOON, db=ada))
    working = threading.Thread(target=slow_transfer)
    working.start()
    assert begun.wait(30)
    revoking.start()
    revoking.join(0.2)
    still_waiting = revoking.is_alive()
    go_on.set()
    working.join()
    revoking.join()

    assert still_waiting
    assert keys.get_key(new.key.key_id, db=ada).revoked_at == NOON


_STOPS: dict[str, tuple[threading.Event, threading.Event]] = {}


def _slow(work, *, event):
    begun, go_on = _STOPS[event]
    begun.set()
    assert go_on.wait(30)
    work.changed = False


@pytest.fixture(autouse=True)
def _slow_is_known(monkeypatch):
    from scidex.store import db_writes

    monkeypatch.setitem(db_writes._VERBS, _slow, "slow")


# --- the operator's own key


def test_the_operators_key_is_made_once_and_kept_in_a_private_file(db, monkeypatch, tmp_path):
    monkeypatch.setenv("SCIDEX_KEY_DIRECTORY", str(tmp_path / "keys"))

    text = operator_key.operator_key(db)
    again = operator_key.operator_key(db)

    file = operator_key.key_file(db.url)
    who = keys.authenticate(text, db=db)
    assert text == again
    assert file.stat().st_mode & 0o777 == 0o600
    assert (who.account_id, who.scopes, who.is_operator) == ("system:treasury", frozenset({"admin"}), True)
    assert len(query(db, "SELECT key_id FROM api_keys")) == 1


def test_an_operators_key_that_others_could_read_is_revoked_and_replaced(db, monkeypatch, tmp_path):
    monkeypatch.setenv("SCIDEX_KEY_DIRECTORY", str(tmp_path / "keys"))
    text = operator_key.operator_key(db)
    operator_key.key_file(db.url).chmod(0o644)

    again = operator_key.operator_key(db)

    assert again != text
    assert not lets_in(db, text)
    assert operator_key.key_file(db.url).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"scidex_0_0", b"\xff\xfe", b"scidex_" + b"0" * 16 + b"_" + b"0" * 64])
def test_a_file_without_a_working_key_is_written_anew(db, monkeypatch, tmp_path, content):
    monkeypatch.setenv("SCIDEX_KEY_DIRECTORY", str(tmp_path))
    file = operator_key.key_file(db.url)
    file.write_bytes(content)
    file.chmod(0o600)

    text = operator_key.operator_key(db)

    assert keys.authenticate(text, db=db).is_operator
    assert file.read_text().strip() == text


def test_a_served_market_is_found_by_its_address_until_it_is_gone(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIDEX_KEY_DIRECTORY", str(tmp_path))
    address = "http://127.0.0.1:8787"

    keyring.announce(address, "one")
    assert keyring.found_key(f"{address}/") == "one"
    assert keyring.found_key("http://127.0.0.1:8788") is None
    keyring.withdraw(address, "another")
    assert keyring.found_key(address) == "one"
    keyring.withdraw(address, "one")
    assert keyring.found_key(address) is None
