"""`scidex key …`: keys of the API, managed by whoever has the market's database or an operator's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption
from scidex.cli.times import instant, span

if TYPE_CHECKING:
    from scidex.records import Key, NewKey

app = typer.Typer(help="Keys of the API: who may act, for which account.", no_args_is_help=True)

_COLUMNS = ("key_id", "account_id", "scopes", "label", "expires_at", "revoked_at", "last_used_at")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, the middle part of its text.")]
ExpiryOption = Annotated[
    str | None,
    typer.Option(
        "--expires", help="When it ends: 90d, 12h, or 2027-01-31T00:00:00Z. Never unless given.", show_default=False
    ),
]


@app.command("create")
def create(
    account: Annotated[str, typer.Option(help="The account that it acts for; system:treasury for admin.")],
    scope: Annotated[list[str], typer.Option(help="bid, work, attest, read or admin; may be given several times.")],
    expires: ExpiryOption = None,
    label: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and show it this once."""
    from scidex.cli.markets import market_at

    ends_at = instant(expires, "--expires")
    with market_at(db, url, key) as market:
        _show_new(market.create_key(account, scope, expires_at=ends_at, label=label), as_json=as_json)


@app.command("rotate")
def rotate(
    key_id: KeyArgument,
    overlap: Annotated[str, typer.Option(help="How long the old key works on: 1h, 2d; 0s ends it now.")] = "24h",
    expires: ExpiryOption = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key that takes another one's place, and show it this once."""
    from scidex.cli.markets import market_at

    seconds, ends_at = int(span(overlap, "--overlap").total_seconds()), instant(expires, "--expires")
    with market_at(db, url, key) as market:
        _show_new(market.rotate_key(key_id, overlap_seconds=seconds, expires_at=ends_at), as_json=as_json)


@app.command("revoke")
def revoke(
    key_id: KeyArgument,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key at once."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_json

    with market_at(db, url, key) as market:
        revoked = market.revoke_key(key_id)
    if as_json:
        print_json(_told(revoked))
    else:
        print(f"{revoked.key_id} of {revoked.account_id} was revoked at {revoked.revoked_at}.")


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option(help="Of this account alone.", show_default=False)] = None,
    after: Annotated[str, typer.Option(help="Begin behind this key.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys; nobody can show a secret again."""
    from scidex.cli.markets import market_at
    from scidex.cli.output import print_rows

    with market_at(db, url, key) as market:
        found = market.list_keys(account_id=account, after=after, limit=limit)
    print_rows([_told(key) for key in found], _COLUMNS, as_json=as_json)


def _told(key: Key) -> dict[str, Any]:
    return {**key._asdict(), "scopes": " ".join(key.scopes)}


def _show_new(made: NewKey, *, as_json: bool) -> None:
    from scidex.cli.output import print_json

    if as_json:
        print_json({**_told(made.key), "key": made.text})
        return
    print(made.text)
    typer.echo(
        f"Key {made.key.key_id} acts for {made.key.account_id} ({' '.join(made.key.scopes)}). It is shown this once.",
        err=True,
    )
