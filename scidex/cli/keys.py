"""`scidex key …`: keys of the API, managed by anyone who has the market's database or an operator's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.session import Session
from scidex.cli.times import instant, span

if TYPE_CHECKING:
    from scidex.records import Key, NewKey

app = typer.Typer(cls=Group, help="Keys of the API: who may act, for which account.", no_args_is_help=True)

_COLUMNS = ("key_id", "account_id", "scopes", "label", "expires_at", "revoked_at", "last_used_at")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, the middle part of its text.")]
ExpiryOption = Annotated[
    str | None,
    typer.Option(
        "--expires", help="When it ends: 90d, 12h, or 2027-01-31T00:00:00Z. Never unless given.", show_default=False
    ),
]


@app.command("create", cls=Command)
@command("scidex key create --account agent:ada --scope bid --expires 90d")
def create(
    session: Session,
    account: Annotated[str, typer.Option(help="The account that it acts for; system:treasury for admin.")],
    scope: Annotated[list[str], typer.Option(help="bid, work, attest, read or admin; may be given several times.")],
    expires: ExpiryOption = None,
    label: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
) -> None:
    """Make a key, and show it this once."""
    ends_at = instant(expires, "--expires")
    _show_new(session, session.market.create_key(account, scope, expires_at=ends_at, label=label))


@app.command("rotate", cls=Command)
@command("scidex key rotate 0123456789abcdef --overlap 1h")
def rotate(
    session: Session,
    key_id: KeyArgument,
    overlap: Annotated[str, typer.Option(help="How long the old key works on: 1h, 2d; 0s ends it now.")] = "24h",
    expires: ExpiryOption = None,
) -> None:
    """Make a key that takes another one's place, and show it this once."""
    seconds, ends_at = int(span(overlap, "--overlap").total_seconds()), instant(expires, "--expires")
    _show_new(session, session.market.rotate_key(key_id, overlap_seconds=seconds, expires_at=ends_at))


@app.command("revoke", cls=Command)
@command("scidex key revoke 0123456789abcdef")
def revoke(session: Session, key_id: KeyArgument) -> None:
    """End a key at once."""
    revoked = session.market.revoke_key(key_id)
    session.show(_told(revoked), f"{revoked.key_id} of {revoked.account_id} was revoked at {revoked.revoked_at}.")


@app.command("list", cls=Command)
@command("scidex key list --account agent:ada")
def list_(
    session: Session,
    account: Annotated[str | None, typer.Option(help="Of this account alone.", show_default=False)] = None,
    after: Annotated[str, typer.Option(help="Begin after this key.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The number of lines at most.")] = 100,
) -> None:
    """List keys; a secret is never shown again."""
    found = session.market.list_keys(account_id=account, after=after, limit=limit)
    session.table([_told(key) for key in found], _COLUMNS, empty="No keys. Make one with: scidex key create")


def _told(key: Key) -> dict[str, Any]:
    return {**key._asdict(), "scopes": " ".join(key.scopes)}


def _show_new(session: Session, made: NewKey) -> None:
    session.show({**_told(made.key), "key": made.text}, str(made.text))
    if not session.as_json:
        scopes = " ".join(made.key.scopes)
        typer.echo(f"Key {made.key.key_id} acts for {made.key.account_id} ({scopes}). It is shown this once.", err=True)
