"""The exchange's records, from the JSON that a server answers with."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def record_of(kind: type[Record], told: dict[str, Any]) -> Record:
    """Return a record by its fields; what the server tells beside them (an `available`, a `sold`) follows from them."""
    return kind(**{name: _value(hint, told[name]) for name, hint in _hints(cast(Any, kind)).items()})


def records_of(kind: type[Record], told: list[dict[str, Any]]) -> list[Record]:
    """Return a list of records."""
    return [record_of(kind, one) for one in told]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, told: Any) -> Any:
    if told is None:
        return None
    if get_origin(hint) in (Union, UnionType):
        hint = next(one for one in get_args(hint) if one is not NoneType)
    if hint is datetime:
        return datetime.fromisoformat(told)
    if get_origin(hint) in (tuple, frozenset):
        return get_origin(hint)(_value(get_args(hint)[0], one) for one in told)
    if hasattr(hint, "_fields"):
        return record_of(hint, told)
    return told
