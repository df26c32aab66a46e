"""What a command that reaches a market has: the market, and a way to print for people, pipes and programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scidex.cli import output
from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption

if TYPE_CHECKING:
    from scidex.market import Market


@dataclass
class Session:
    """A market, opened when it is first asked for and closed with the command, and the form of the answer."""

    db: DatabaseOption = None
    url: UrlOption = None
    key: KeyOption = None
    as_json: JsonOption = False
    _open: ExitStack = field(init=False, default_factory=ExitStack)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, at)

    @cached_property
    def market(self) -> Market:
        """The market. Raises StoreError, BadParameter."""
        from scidex.cli.markets import market_at

        return self._open.enter_context(market_at(self.db, self.url, self.key))

    @property
    def is_served(self) -> bool:
        """Whether the market is behind a server, whose key decides for whom a command acts."""
        from scidex.cli.markets import server_of

        return server_of(self.db, self.url) is not None

    def show(self, value: Any, words: str) -> None:
        """Print a value as JSON, or what it comes to in words."""
        if self.as_json:
            output.print_json(value)
        else:
            print(words)

    def table(self, records: Iterable[Any], columns: Sequence[str], *, empty: str = "") -> None:
        """Print records as JSON, or as a table of the named columns; `empty` says on stderr what to do without any."""
        output.print_table([output.as_row(one) for one in records], columns, as_json=self.as_json, empty=empty)
