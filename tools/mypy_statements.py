"""
Lets mypy check the calls of named SQL statements: that there is such a statement, and its arguments by name and type.

`tx.rows("bid", id=7)` is read as a call of a function `bid(*, id: int)`. Names come from the `.sql` files, types from
the columns of the schema that have these names; an argument that is no column may be anything. A statement whose name
is put together at run time is not checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    ARG_STAR2,
    CallExpr,
    Context,
    DictExpr,
    Expression,
    ListComprehension,
    ListExpr,
    StrExpr,
    TupleExpr,
)
from mypy.plugin import CheckerPluginInterface, MethodSigContext, Plugin
from mypy.types import AnyType, FunctionLike, NoneType, Type, TypeOfAny, UnionType

STORE = Path(__file__).parents[1] / "scidex" / "store"
TRANSACTION = "scidex.store.database.Transaction"
CALLED = ("rows", "row", "tuples", "values", "run", "post")

_NAME = re.compile(r"^-- name: (\w+)[!$^]?[^\n]*\n", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_TEXT = re.compile(r"'[^']*'")
_ARGUMENT = re.compile(r"(?<![:\w]):(\w+)")
_LIST = re.compile(r"each_(text|number)\(:(\w+)\)")
_UNFOLDED = re.compile(r"(?:json_each|unnest|json_array_elements)\((?:CAST\()?:(\w+)")
_COLUMN = re.compile(r'^ {4}(\w+) (TEXT|BIGINT|DOUBLE PRECISION|TIMESTAMPTZ)\b(?: COLLATE "C")?([^,\n]*)', re.MULTILINE)
_KINDS = {"TEXT": "str", "BIGINT": "int", "DOUBLE PRECISION": "float", "TIMESTAMPTZ": "datetime.datetime"}


def arguments_of() -> dict[str, dict[str, str]]:
    """Return the arguments of each statement: `str`, `int`, `float` or an instant, `list` of something, or `any`."""
    known: dict[str, dict[str, str]] = {}
    for path in sorted((STORE / "queries").rglob("*.sql")):
        parts = _NAME.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            sql = _TEXT.sub("''", _COMMENT.sub("", text))
            lists = {argument: f"list {kind}" for kind, argument in _LIST.findall(sql)}
            unfolded = dict.fromkeys(_UNFOLDED.findall(sql), "any")
            known.setdefault(name, {}).update(dict.fromkeys(_ARGUMENT.findall(sql), "one") | unfolded | lists)
    return known


def columns() -> dict[str, tuple[set[str], bool]]:
    """Return of each column's name the types that it has, and whether any of them may be NULL."""
    found: dict[str, tuple[set[str], bool]] = {}
    for name, kind, rest in _COLUMN.findall((STORE / "schema.sql").read_text(encoding="utf-8")):
        kinds, nullable = found.get(name, (set(), False))
        found[name] = kinds | {_KINDS[kind]}, nullable or ("NOT NULL" not in rest and "PRIMARY KEY" not in rest)
    return found


class Statements(Plugin):
    """Gives each call of a statement its signature."""

    def __init__(self, options: object) -> None:
        super().__init__(options)  # type: ignore[arg-type]
        self._arguments = arguments_of()
        self._columns = columns()

    def report_config_data(self, ctx: object) -> str:
        """Return what a cached result hangs on beside the code."""
        return hashlib.sha256(repr((self._arguments, self._columns)).encode()).hexdigest()

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return what says how a method of a transaction is called."""
        owner, _, method = fullname.rpartition(".")
        checks = {"gather": self._gathered, "run_many": self._with_rows, "run_columns": self._with_columns}
        checks |= dict.fromkeys(CALLED, self._called)
        return checks.get(method) if owner == TRANSACTION else None

    def _called(self, ctx: MethodSigContext) -> FunctionLike:
        """One value for each argument."""
        return self._taking(ctx, _by_name(ctx.context))

    def _with_columns(self, ctx: MethodSigContext) -> FunctionLike:
        """A list of values for some arguments."""
        return self._taking(ctx, set())

    def _taking(self, ctx: MethodSigContext, typed: set[str] | None) -> FunctionLike:
        arguments = self._known(ctx.api, _first(ctx), ctx.context)
        if arguments is None:
            return ctx.default_signature
        types = [
            self._type(ctx.api, name, kind if typed is None or name in typed else "any")
            for name, kind in arguments.items()
        ]
        return ctx.default_signature.copy_modified(
            arg_types=[ctx.default_signature.arg_types[0], *types],
            arg_kinds=[ARG_POS, *[ARG_NAMED] * len(types)],
            arg_names=[None, *arguments],
        )

    def _with_rows(self, ctx: MethodSigContext) -> FunctionLike:
        """A list of mappings, of which those are looked at that are written out."""
        arguments = self._known(ctx.api, _first(ctx), ctx.context)
        rows = ctx.args[1][0] if len(ctx.args) > 1 and ctx.args[1] else None
        written: list[Expression] = list(rows.items) if isinstance(rows, ListExpr) else []
        if isinstance(rows, ListComprehension):
            written = [rows.generator.left_expr]
        for row in written if arguments is not None else ():
            self._check_names(ctx.api, row, arguments or {})
        return ctx.default_signature

    def _gathered(self, ctx: MethodSigContext) -> FunctionLike:
        """Pairs of a statement and a mapping, of which those are looked at that are written out."""
        calls = _first(ctx)
        for call in calls.items if isinstance(calls, ListExpr) else ():
            if isinstance(call, TupleExpr) and len(call.items) == 2:
                arguments = self._known(ctx.api, call.items[0], call)
                if arguments is not None:
                    self._check_names(ctx.api, call.items[1], arguments)
        return ctx.default_signature

    def _known(self, api: CheckerPluginInterface, name: Expression | None, at: Context) -> dict[str, str] | None:
        """Return the arguments of a statement whose name is written out."""
        if not isinstance(name, StrExpr):
            return None
        if name.value not in self._arguments:
            api.fail(f'There is no statement "{name.value}"', at)
        return self._arguments.get(name.value)

    def _check_names(self, api: CheckerPluginInterface, given: Expression, arguments: dict[str, str]) -> None:
        if not isinstance(given, DictExpr) or not all(isinstance(key, StrExpr) for key, _ in given.items):
            return
        named = {key.value for key, _ in given.items if isinstance(key, StrExpr)}
        if odd := sorted(named ^ arguments.keys()):
            api.fail(f"The statement takes other arguments: {', '.join(odd)}", given)

    def _type(self, api: CheckerPluginInterface, name: str, kind: str) -> Type:
        anything = AnyType(TypeOfAny.special_form)
        if kind.startswith("list "):
            item = api.named_generic_type("builtins.str" if kind == "list text" else "builtins.int", [])
            return api.named_generic_type("typing.Iterable", [item])
        if kind == "any" or name not in self._columns:
            return anything
        kinds, nullable = self._columns[name]
        types: list[Type] = [
            api.named_generic_type(one if "." in one else f"builtins.{one}", []) for one in sorted(kinds)
        ]
        return UnionType.make_union([*types, NoneType()] if nullable else types)


def _first(ctx: MethodSigContext) -> Expression | None:
    return ctx.args[0][0] if ctx.args and ctx.args[0] else None


def _by_name(call: Context) -> set[str] | None:
    """Return the arguments that a call gives by name, where it gives others out of a mapping, whose types vary."""
    if not isinstance(call, CallExpr) or ARG_STAR2 not in call.arg_kinds:
        return None
    return {name for name in call.arg_names if name is not None}


def plugin(version: str) -> type[Plugin]:
    """Return the plugin, whatever mypy's version."""
    return Statements
