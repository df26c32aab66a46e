"""Routes that take JSON strictly, know all their parameters, and keep ids whole."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor

from scidex.errors import InvalidArgument
from scidex.web import strict_json
from scidex.web.gate import SLASH_IN_ID
from scidex.web.refusals import UnsupportedMediaType


class IdConvertor(Convertor[str]):
    """An id in a path: one segment, whatever its characters."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Return the id as it was sent."""
        return value.replace(SLASH_IN_ID, "/")

    def to_string(self, value: str) -> str:
        """Return the id as a segment."""
        return value.replace("/", SLASH_IN_ID)


register_url_convertor("id", IdConvertor())


class StrictRequest(Request):
    """A request whose body is read as strict JSON, once."""

    _value: Any

    async def json(self) -> Any:
        """Return the body's value. Raises MalformedBody, UnsupportedMediaType."""
        if not hasattr(self, "_value"):
            if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise UnsupportedMediaType(field="Content-Type", content_type=self.headers.get("content-type"))
            self._value = strict_json.parse(await self.body())
        return self._value


class StrictRoute(APIRoute):
    """A route that refuses unknown and repeated parameters, and JSON that readers could read in two ways."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers this route's requests."""
        handle = super().get_route_handler()
        known = {parameter.alias for parameter in self.dependant.query_params}

        async def handle_strictly(request: Request) -> Response:
            _check_parameters(request, known)
            strict = StrictRequest(request.scope, request.receive)
            if await strict.body():
                await strict.json()  # read here, where a refusal keeps its name
            return await handle(strict)

        return handle_strictly


def _check_parameters(request: Request, known: set[str]) -> None:
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InvalidArgument(field=name[:100], value=value, fact="is no parameter here")
        if name in seen:
            raise InvalidArgument(field=name, value=value, fact="is given twice")
        seen.add(name)
