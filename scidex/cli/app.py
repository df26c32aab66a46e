"""The commands of `scidex`, by name. Each loads what it needs when it is called: help stays instant."""

from __future__ import annotations

import typer

from scidex import __version__
from scidex.cli import (
    accounting,
    agents,
    auditing,
    bidding,
    doctor,
    keys,
    lab,
    ledgers,
    login,
    looking,
    mcp,
    opening,
    pools,
    quests,
    serve,
    tasks,
    up,
)

app = typer.Typer(
    help="The compute exchange for fleets of agents: bid tokens for the next slot, clear at one price, settle, earn.",
    epilog="Exit codes: 0 done, 1 the market refused, 2 wrong words, 3 no database, 4 no address, 5 faults found.",
    no_args_is_help=True,
    # Plain help: drawing boxes would take longer than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("init")(opening.init)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("login")(login.login)
app.add_typer(agents.app, name="agent")
app.add_typer(quests.app, name="quest")
app.add_typer(tasks.app, name="task")
app.add_typer(bidding.slots, name="slots")
app.add_typer(ledgers.app, name="ledger")
app.add_typer(opening.database, name="db")
app.add_typer(lab.app, name="lab")
app.add_typer(keys.app, name="key")
app.add_typer(pools.app, name="pool")
for command in (looking.book, looking.quote, looking.explain, looking.wallet, looking.timeline, looking.sweep):
    app.command(command.__name__)(command)
app.command("bid")(bidding.bid)
app.command("cancel")(bidding.cancel)
app.command("clear")(bidding.clear)
app.command("audit")(auditing.audit)
app.command("doctor")(doctor.doctor)
app.command("report")(accounting.report)
app.command("attest")(accounting.attest)
app.command("mcp")(mcp.mcp)


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"scidex {__version__}")
        raise typer.Exit


@app.callback()
def scidex(
    version: bool = typer.Option(False, "--version", callback=_say_version, is_eager=True, help="Print the version."),
) -> None:
    """Hold what all commands share."""
