"""The commands of `scidex`, by what they are for. Each loads what it needs when it is called: help stays instant."""

from __future__ import annotations

from collections.abc import Callable

import typer

from scidex import __version__
from scidex.cli import (
    accounting,
    accounts,
    agents,
    auditing,
    bidding,
    configuring,
    doctor,
    fleets,
    keys,
    lab,
    ledgers,
    login,
    looking,
    mcp,
    opening,
    operating,
    pools,
    quests,
    rounds,
    serve,
    tasks,
    top,
    up,
)
from scidex.cli.help import Command, Group

_CODES = """\
Exit codes: 0 done, 1 the market refused, 2 wrong usage, 3 no database, 4 no address to serve at, 5 faults found,
6 no server, 7 not allowed, 8 not installed."""

app = typer.Typer(
    cls=Group,
    help="The compute exchange for fleets of agents: bid tokens for the next slot, clear at one price, settle, earn.",
    epilog=_CODES,
    no_args_is_help=True,
    # Plain help: drawing boxes would take longer than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_PURPOSES: dict[str, tuple[typer.Typer | Callable[..., None], ...]] = {
    "Start a market": (
        fleets.start,
        fleets.check,
        fleets.apply,
        opening.init,
        up.up,
        serve.serve,
        login.login,
        doctor.doctor,
    ),
    "The backlog": (quests.app, tasks.app),
    "The auction": (
        looking.book,
        looking.quote,
        bidding.bid,
        rounds.bids,
        bidding.cancel,
        looking.explain,
        bidding.slots,
        bidding.clear,
        rounds.rounds,
        rounds.clears,
    ),
    "Tokens and costs": (
        looking.wallet,
        accounts.grant,
        accounts.burn,
        accounts.transfer,
        accounting.report,
        accounting.attest,
        accounts.app,
        accounts.evaluators,
        ledgers.app,
    ),
    "The fleet": (top.top, agents.app, looking.timeline, looking.sweep, mcp.mcp),
    "The operator": (
        operating.pause,
        operating.resume,
        operating.void,
        auditing.audit,
        pools.app,
        keys.app,
        configuring.app,
        opening.database,
        lab.app,
    ),
}
_NAMES = {
    id(accounts.app): "account",
    id(accounts.evaluators): "evaluator",
    id(configuring.app): "config",
    id(agents.app): "agent",
    id(quests.app): "quest",
    id(tasks.app): "task",
    id(bidding.slots): "slots",
    id(ledgers.app): "ledger",
    id(opening.database): "db",
    id(lab.app): "lab",
    id(keys.app): "key",
    id(pools.app): "pool",
}


def _add_all() -> None:
    for purpose, parts in _PURPOSES.items():
        for part in parts:
            if isinstance(part, typer.Typer):
                app.add_typer(part, name=_NAMES[id(part)], rich_help_panel=purpose)
            else:
                app.command(part.__name__, cls=Command, rich_help_panel=purpose)(part)


_add_all()


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"scidex {__version__}")
        raise typer.Exit


@app.callback()
def scidex(
    version: bool = typer.Option(False, "--version", callback=_say_version, is_eager=True, help="Print the version."),
) -> None:
    """Hold what all commands share."""
