"""JSON as the exchange takes it: finite numbers, no key twice, no depth without end."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from scidex.web.refusals import MalformedBody

_MOST_DEPTH = 32


def parse(body: bytes) -> Any:
    """Return the value of a JSON text. Raises MalformedBody."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_without_twins,
        )
    except UnicodeDecodeError:
        raise _malformed("must be UTF-8") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _malformed(_TOO_DEEP) from None
    if _deeper_than(value, _MOST_DEPTH):
        raise _malformed(_TOO_DEEP)
    return value


_TOO_DEEP = f"must be nested at most {_MOST_DEPTH} deep"


def _malformed(fact: str, value: object = None) -> MalformedBody:
    return MalformedBody(field="body", value=value, fact=fact)


def _refuse_constant(text: str) -> NoReturn:
    raise _malformed("must have finite numbers only", text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("must have finite numbers only", text)
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # more digits than Python reads
        raise _malformed("has a number of too many digits", text) from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise MalformedBody(field=twin[:100], value=twin, fact="is given twice in one object")
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(item, levels - 1) for item in items)
