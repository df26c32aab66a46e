"""Help for people: commands in groups, each with its whole summary, and examples at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

_NO_LIMIT = 10_000

PURPOSES = (
    "Start a market",
    "The backlog",
    "The auction",
    "Tokens and costs",
    "The fleet",
    "The operator",
)
"""What commands are for, in the order in which people need them."""


class Command(TyperCommand):
    """A command whose help ends with its examples."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are typed."""
        if examples := getattr(self.callback, "examples", ()):
            with formatter.section("Examples"):
                for example in examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Group(TyperGroup):
    """A group whose help shows its commands by what they are for, and cuts no summary short."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a list of commands for each purpose, and the whole summary of each."""
        purposes: dict[str, list[tuple[str, str]]] = {purpose: [] for purpose in PURPOSES}
        for name, one in self.commands.items():
            if not one.hidden:
                purpose = one.rich_help_panel or "Commands"  # type: ignore[attr-defined]
                purposes.setdefault(purpose, []).append((name, one.get_short_help_str(_NO_LIMIT)))
        for purpose, rows in purposes.items():
            if rows:
                with formatter.section(purpose):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the lines of the epilog as they are."""
        formatter.write_paragraph()
        for line in _lines(self.epilog):
            formatter.write(f"{line}\n")


def _lines(text: str | None) -> Iterable[str]:
    return (text or "").splitlines()
