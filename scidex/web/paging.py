"""Pages of lists: where the next one is, told in a Link header (RFC 8288) while there may be one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response

Items = TypeVar("Items", bound=Sequence[Any])


def link_next(
    request: Request, response: Response, found: Items, limit: int, **cursor: Callable[[Any], object]
) -> Items:
    """
    Return what was found, with the address of the next page in the answer's headers where this one is full.

    `cursor` names the parameters by which a page begins behind an item, and what they are for the last item of this.
    """
    if len(found) >= limit > 0:
        given = {name: value for name, value in request.query_params.items() if name not in cursor}
        past = {name: str(value_of(found[-1])) for name, value_of in cursor.items()}
        response.headers["Link"] = f'<{request.url.path}?{urlencode({**given, **past})}>; rel="next"'
    return found
