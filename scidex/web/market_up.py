"""A market that is up in this process: its database with a server before it, and a loop that clears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scidex import keyring
from scidex.exchange import compute_auction, keys
from scidex.exchange.cycle import CycleRunner
from scidex.exchange.sealing import SealRunner
from scidex.exchange.sweeper import SweepRunner
from scidex.loops import Loop
from scidex.records import CycleReport
from scidex.settings import DEFAULT_POOL
from scidex.store import Database, connect
from scidex.web import operator_key
from scidex.web.refusals import PortInUse
from scidex.web.serving import DEFAULT_PORT, PLAIN, Transport, check_transport, listen, running_server
from scidex.web.sessions import Sessions

_LOOK_FOR_POOLS_SECONDS = 2.0


@dataclass(frozen=True)
class ServedMarket:
    """An open market: its database, the address where it is served, the operator's key, and the sessions it opens."""

    db: Database
    address: str
    key: str
    sessions: Sessions

    def dashboard(self) -> str:
        """Return where the operator looks at it: an address that opens a session, once."""
        return f"{self.address}{self.sessions.new_link(keys.id_of(self.key))}"


@contextmanager
def served_market(
    url: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    pool: str = DEFAULT_POOL,
    profile: str = "recommended",
    transport: Transport = PLAIN,
) -> Iterator[ServedMarket]:
    """
    Open a market, bring its schema up to date, and serve it while the block runs; a new pool is set to the profile.

    Its operator's key is made where there is none, and commands of this user find it. Without a port the usual one is
    taken, or where that is in use any free one. Raises StoreError where the database cannot be used, OSError where the
    key cannot be kept, InvalidSetting, UnknownPool, PortInUse, AddressUnavailable, AddressNotLoopback,
    TransportNotSafe.
    """
    check_transport(host, transport)
    chosen = _usual_port(host) if port is None else port
    with connect(url) as db:
        compute_auction.ensure_schema(db=db)
        compute_auction.configure_pool(pool, profile, only_new=True, db=db)
        key = operator_key.operator_key(db)
        sessions = Sessions(operator_key.session_secret(key))
        with running_server(db, host=host, port=chosen, transport=transport, sessions=sessions) as address:
            keyring.announce(address, key)
            try:
                yield ServedMarket(db, address, key, sessions)
            finally:
                keyring.withdraw(address, key)


@contextmanager
def clearing(
    db: Database,
    *,
    pool: str = DEFAULT_POOL,
    cycle_seconds: float = 60.0,
    strategy: str | None = None,
    on_cycle: Callable[[CycleReport], None] | None = None,
) -> Iterator[None]:
    """
    Do a pool's cycles as they fall due while the block runs, and sweep up after workers that die.

    `on_cycle` hears of each cycle that was done here.
    """
    runner = CycleRunner(db, pool, cycle_seconds, strategy=strategy, on_cycle=on_cycle)
    with sweeping(db), runner.loop():
        yield


@contextmanager
def clearing_all(db: Database, seconds_of: Callable[[str], float]) -> Iterator[None]:
    """
    Do the cycles of every pool while the block runs, those opened meanwhile too, and sweep up after workers that die.

    `seconds_of` says how often a pool clears, by its name.
    """
    loops: dict[str, Loop] = {}

    def look() -> float:
        for one in compute_auction.list_pools(db=db):
            if one.pool not in loops:
                loops[one.pool] = CycleRunner(db, one.pool, seconds_of(one.pool)).loop().start()
        return _LOOK_FOR_POOLS_SECONDS

    try:
        with sweeping(db), Loop("new pools", look):
            yield
    finally:
        for loop in loops.values():
            loop.stop()


@contextmanager
def sweeping(db: Database) -> Iterator[None]:
    """Sweep up after workers that die while the block runs, and seal the journal."""
    with SweepRunner(db).loop(), SealRunner(db).loop():
        yield


def _usual_port(host: str) -> int:
    try:
        listen(host, DEFAULT_PORT).close()
    except PortInUse:
        return 0
    return DEFAULT_PORT
