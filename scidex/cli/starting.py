"""A fleet in one process: its market, its sources and its agents, ended in the order in which nothing is lost."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scidex.cli.agents import in_words
from scidex.cli.markets import address_of
from scidex.cli.working import Options
from scidex.cli.writing_back import WriteBackFailed, run_program, write_back
from scidex.errors import ScidexError
from scidex.loops import Loop

if TYPE_CHECKING:
    from scidex.agent.agent import Agent as Worker
    from scidex.fleet.schema import Agent, Fleet, Source
    from scidex.market import Market
    from scidex.web.market_up import ServedMarket

_LOG = logging.getLogger(__name__)

Place = tuple[str | int, ...]


def run_fleet(fleet: Fleet, directory: Path, stop: threading.Event) -> None:
    """Run a fleet until `stop` is set; a second signal ends all runs at once."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    from scidex.market.embedded import EmbeddedMarket
    from scidex.web.market_up import clearing_all

    # Paths of the file are meant from where it is.
    with chdir(directory), _served(fleet, directory) as served:
        market = EmbeddedMarket(served.db)
        _bring_in_line(fleet, market)
        _say_where(fleet, served)
        workers = [_worker(agent, market) for agent in fleet.agents]
        sources = [_following(source, fleet, market) for source in fleet.sources]
        with clearing_all(served.db, _seconds_of(fleet)), _at_work(workers, sources):
            stop.wait()
            print("stopping    runs may end; Ctrl-C again ends them now", flush=True)


def faults_here(fleet: Fleet, directory: Path) -> Iterator[tuple[Place, str]]:
    """Yield what the file names and is not there: programs, files, variables of the environment."""
    with chdir(directory):
        try:
            address_of(fleet.database, directory)
        except typer.BadParameter as refused:
            yield ("database",), refused.message
        for number, source in enumerate(fleet.sources):
            if source.file is not None and not source.file.is_file():
                yield ("sources", number, "file"), f"names no file: {source.file}"
            if source.command and shutil.which(source.command[0]) is None:
                yield ("sources", number, "command"), f"names no program: {source.command[0]}"
        for number, agent in enumerate(fleet.agents):
            for variable in agent.pass_on:
                if variable not in os.environ:
                    yield ("agents", number, "pass"), f"names {variable}, which is not set in the environment"
            try:
                _options(agent).work()
            except (typer.BadParameter, ScidexError) as refused:
                yield ("agents", number), str(getattr(refused, "message", refused))


@contextmanager
def _served(fleet: Fleet, directory: Path) -> Iterator[ServedMarket]:
    from scidex.web.market_up import served_market
    from scidex.web.serving import Transport

    address = address_of(fleet.database, directory)
    _make_room(address)
    server = fleet.server
    transport = Transport(
        frozenset(name.lower() for name in server.names), server.certificate, server.private_key, server.insecure
    )
    pool, first = next(iter(fleet.pools.items()))
    with served_market(
        address, host=server.host, port=server.port, transport=transport, pool=pool, profile=first.profile
    ) as served:
        yield served


def _make_room(address: str) -> None:
    """Make the directory of a SQLite file, and keep what is in it out of the repository."""
    from scidex.fleet.reference import SCHEMA_FILE, json_schema
    from scidex.store.files import file_of

    file = file_of(address)
    if file is None:
        return
    folder = file.parent
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    if (schema := folder / Path(SCHEMA_FILE).name).parent.name == Path(SCHEMA_FILE).parent.name:
        schema.write_text(json_schema(), encoding="utf-8")


def _bring_in_line(fleet: Fleet, market: Market) -> None:
    from scidex.fleet import changes

    found = changes.changes(fleet, market)
    for one in found:
        print(one)
    changes.apply(found, market)


def _say_where(fleet: Fleet, served: ServedMarket) -> None:
    print(f"dashboard   {served.dashboard()}")
    print(f"api         {served.address}")
    if not fleet.agents:
        print("agents      none in the file: add one under [[agents]], or start one with scidex agent run")
    print("watch       scidex top")
    print("to stop     Ctrl-C", flush=True)


def _seconds_of(fleet: Fleet) -> Callable[[str], float]:
    from scidex.settings import from_environment

    usual = from_environment().cycle_seconds

    def seconds_of(pool: str) -> float:
        told = fleet.pools.get(pool)
        return usual if told is None or told.cycle is None else told.cycle

    return seconds_of


@contextmanager
def _at_work(workers: list[Worker], sources: list[Loop]) -> Iterator[None]:
    """Let agents work and sources be read while the block runs; then agents are asked to stop, and waited for."""
    stop = threading.Event()
    threads = [threading.Thread(target=_work, args=(worker, stop)) for worker in workers]
    with ExitStack() as loops:
        for source in sources:
            loops.enter_context(source)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            try:
                _join(threads)
            except KeyboardInterrupt:
                for worker in workers:
                    worker.end_now()
                _join(threads)
                raise


def _work(worker: Worker, stop: threading.Event) -> None:
    try:
        worker.run(stop)
    except ScidexError as refusal:  # as one that the market stopped: the rest of the fleet goes on
        _LOG.error("agent %s: %s", worker.agent_id, refusal)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        # No longer: a signal that another thread was given is handled once this one is awake.
        while thread.is_alive():
            thread.join(0.2)


# --- sources


def _following(source: Source, fleet: Fleet, market: Market) -> Loop:
    def turn() -> float:
        try:
            _read(source, fleet, market)
        except (ScidexError, WriteBackFailed, OSError) as error:
            _LOG.warning("source %s: %s", source.name, error)
        return source.every

    return Loop(f"source {source.name}", turn)


def _read(source: Source, fleet: Fleet, market: Market) -> None:
    from scidex.clock import utc_now
    from scidex.exchange.backlog_import import import_by

    imported = import_by(
        market,
        source.file if source.file is not None else run_program(source.command),
        source.format,
        quest_id=source.quest,
        value_table={**fleet.values, **source.values} or None,
        repo=source.repo if source.format == "gh" else None,
        source=source.name,
        complete=source.complete,
        now=utc_now(),
    )
    if imported.added or imported.updated or imported.missing:
        told = f"{imported.added} tasks added, {imported.updated} updated, {imported.missing} left the list"
        print(f"source {source.name}: {told}", flush=True)
    for report in imported.reports[:3]:
        _LOG.warning("source %s, line %s, %s: %s", source.name, report.line, report.field, report.fact)
    if source.write_back:
        for one in write_back(market, source.name):
            print(f"source {source.name}: {one.task_id} {one.error or 'written back'}", flush=True)


# --- agents


def _worker(agent: Agent, market: Market) -> Worker:
    from scidex.agent.agent import Agent as Worker
    from scidex.agent.offers import Offers
    from scidex.settings import from_environment

    return Worker(
        agent.account_id,
        _options(agent).work(),
        market=market,
        pool=agent.pool,
        seats=agent.seats,
        offers=Offers(agent.reserve, agent.allowance, int(agent.max_seconds)),
        provider_id=agent.provider,
        lease_seconds=from_environment().lease_seconds,
        stop_seconds=agent.grace,
        on_report=lambda report: print(f"agent {agent.name}: {in_words(report)}", flush=True),
    )


def _options(agent: Agent) -> Options:
    return Options(
        command=list(agent.command) or None,
        max_seconds=int(agent.max_seconds),
        pass_on=list(agent.pass_on),
        cpu_seconds=agent.cpu_seconds,
        memory_mb=agent.memory_mb,
        meter=agent.meter,
        max_usd=agent.max_usd,
        outcome=agent.outcome,
        evaluator=agent.evaluator,
        attester=agent.attester,
        shell=agent.shell,
        task_commands=agent.task_commands,
        worktree=agent.worktree,
        directory=agent.directory,
    )
