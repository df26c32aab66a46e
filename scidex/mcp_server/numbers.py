"""Numbers as models write them: a number in quotation marks is that number, where it is one; all else is refused."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, StrictFloat, StrictInt

_WHOLE = re.compile(r"\s*([+-]?\d{1,18})(?:\.0+)?\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)


def _whole(found: Any) -> Any:
    """Return a whole number that is written as text, or with a point and nothing behind it; else what was given."""
    if isinstance(found, str) and (digits := _WHOLE.fullmatch(found)):
        return int(digits[1])
    return int(found) if isinstance(found, float) and found.is_integer() and abs(found) < 2**53 else found


def _number(found: Any) -> Any:
    """Return a number that is written as text; else what was given."""
    return float(found) if isinstance(found, str) and _NUMBER.fullmatch(found) else found


Whole = Annotated[StrictInt, BeforeValidator(_whole)]
Amount = Annotated[StrictFloat, BeforeValidator(_number)]
