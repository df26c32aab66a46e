"""Commands that open accounts and move tokens between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.options import IdempotencyOption, LimitOption
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import Transfer

app = typer.Typer(cls=Group, help="Accounts: create, list and show them.", no_args_is_help=True)
evaluators = typer.Typer(cls=Group, help="Evaluators: add the accounts that judge runs.", no_args_is_help=True)

_ACCOUNTS = ("account_id", "kind", "owner_id", "created_at")
_WALLETS = ("account_id", "balance", "held", "available", "kind", "owner_id")

AccountArgument = Annotated[str, typer.Argument(help="The account.")]
TokensArgument = Annotated[int, typer.Argument(metavar="TOKENS", help="The number of tokens.")]
OwnerOption = Annotated[
    str | None, typer.Option("--owner", help="Who it belongs to; itself unless given.", show_default=False)
]


@app.command("create", cls=Command)
@command("scidex account create agent:ada", "scidex account create team:docs --kind agent --owner docs")
def create(
    session: Session,
    account_id: AccountArgument,
    kind: Annotated[str, typer.Option(help="agent, worker or evaluator.")] = "agent",
    owner: OwnerOption = None,
) -> None:
    """Open an account."""
    session.table([session.market.create_account(account_id, kind, owner)], _ACCOUNTS)


@app.command("list", cls=Command)
@command("scidex account list")
def list_(
    session: Session,
    after: Annotated[str, typer.Option(help="Begin after this account.", show_default=False)] = "",
    limit: LimitOption = 100,
) -> None:
    """List accounts and their tokens, in the order of their ids."""
    found = session.market.list_wallets(after=after, limit=limit)
    rows = [{**one._asdict(), "available": one.balance - one.held} for one in found]
    session.table(rows, _WALLETS, empty="No accounts. Open one with: scidex account create ACCOUNT_ID")


@app.command("show", cls=Command)
@command("scidex account show agent:ada")
def show(session: Session, account_id: AccountArgument) -> None:
    """Show an account: its kind, its owner and its tokens."""
    account, balance = session.market.get_account(account_id), session.market.get_balance(account_id)
    row = {**account._asdict(), **balance._asdict(), "available": balance.available}
    session.table([row], (*_WALLETS, "created_at"))


@evaluators.callback()
def _evaluators() -> None:
    """Evaluators: add the accounts that judge runs."""


@evaluators.command("add", cls=Command)
@command("scidex evaluator add evaluator:ci")
def add_evaluator(session: Session, account_id: AccountArgument, owner: OwnerOption = None) -> None:
    """Open an account that may attest what runs were worth; it must not belong to a bidder's owner."""
    session.table([session.market.create_account(account_id, "evaluator", owner)], _ACCOUNTS)


@command("scidex grant agent:ada 100000")
def grant(
    session: Session,
    account_id: AccountArgument,
    tokens: TokensArgument,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "grant",
    idempotency_key: IdempotencyOption = None,
) -> None:
    """Issue new tokens to an account."""
    _show(session, session.market.mint(account_id, tokens, reason, idempotency_key))


@command("scidex burn agent:ada 500 --reason 'granted twice'")
def burn(
    session: Session,
    account_id: AccountArgument,
    tokens: TokensArgument,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "burn",
    idempotency_key: IdempotencyOption = None,
) -> None:
    """Take available tokens of an account out of the market."""
    _show(session, session.market.burn(account_id, tokens, reason, idempotency_key))


@command("scidex transfer agent:ada quest:docs 500 --reason gift")
def transfer(
    session: Session,
    debit: Annotated[str, typer.Argument(metavar="FROM", help="The account that pays.")],
    credit: Annotated[str, typer.Argument(metavar="TO", help="The account that receives.")],
    tokens: TokensArgument,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "transfer",
    idempotency_key: IdempotencyOption = None,
) -> None:
    """Move available tokens from one account to another."""
    _show(session, session.market.transfer(debit, credit, tokens, reason, idempotency_key))


def _show(session: Session, made: Transfer) -> None:
    moved = f"{made.amount_tokens:,} tokens from {made.debit_account_id} to {made.credit_account_id}"
    session.show(made, f"transfer {made.transfer_id}: {moved}")
