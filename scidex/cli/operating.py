"""Commands by which an operator steps in: pause and resume a pool, void a clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.options import POOL, PoolOption
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import CycleStatus


@command("scidex pause --pool gpu")
def pause(session: Session, pool: PoolOption = POOL) -> None:
    """Hold a pool's rounds until it is resumed; what runs goes on."""
    _show(session, session.market.pause(pool))


@command("scidex resume --pool gpu")
def resume(session: Session, pool: PoolOption = POOL) -> None:
    """Let a paused pool's rounds go on."""
    _show(session, session.market.resume(pool))


def _show(session: Session, status: CycleStatus) -> None:
    if status.paused:
        words = "is paused"
    elif status.next_cycle_at is None:
        words = "is not paused; no loop has cleared it yet: scidex up"
    else:
        words = f"clears next at {status.next_cycle_at:%Y-%m-%d %H:%M:%SZ}"
    session.show(status, f"pool {status.pool} {words}")


@command("scidex void slot-17 --reason 'machine lost'")
def void(
    session: Session,
    slot_id: Annotated[str, typer.Argument(help="A slot that was sold and is not settled.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "voided",
) -> None:
    """Undo a clear whose slot died: the winner gets its tokens back, and the task is open again."""
    clear = session.market.void(slot_id, reason)
    back = f"{clear.clearing_price_tokens:,} tokens are back with {clear.bidder_id}"
    session.show(clear, f"{slot_id} is voided; {back}")
