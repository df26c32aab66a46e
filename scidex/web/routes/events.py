"""What happens in the market, as it happens: a stream of server-sent events, and the server's metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from scidex.errors import InvalidArgument
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Doors, Who, router
from scidex.web.events import Feed
from scidex.web.metrics import CONTENT_TYPE, Metrics

routes = router("", "watching")

_MOST_NUMBER = 2**53 - 1


def streams(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return how a stream of events with these names is described; any name where none is given."""
    event = {"type": "string", "enum": list(names)} if names else {"type": "string"}
    fields = {"event": event, "data": {"type": "string", "contentMediaType": "application/json"}}
    numbers = {"id": {"type": "string"}, "retry": {"type": "integer"}}
    schema = {"type": "object", "properties": {**fields, **numbers}}
    return {
        200: {"description": "Server-sent events.", "content": {EventSourceResponse.media_type: {"itemSchema": schema}}}
    }


class MetricsText(Response):
    """The text format of Prometheus."""

    media_type = CONTENT_TYPE


LastEvent = Annotated[
    str | None, Header(description="The id of the last event that was seen.", pattern="^[0-9]{1,16}$")
]
After = Annotated[int | None, Query(ge=0, le=_MOST_NUMBER, description="The same, for whoever cannot send a header.")]


async def _place(
    request: Request, who: Who, last_event_id: LastEvent = None, after: After = None
) -> AsyncIterator[tuple[Feed, int]]:
    """Hold a place for a stream, and give where it begins: refused before the answer has begun."""
    feed = cast(Feed, request.app.state.feed)
    begin = _begin(last_event_id, after)
    with feed.place(who):
        yield feed, await feed.reached() if begin is None else begin


@routes.get("/api/events", response_class=EventSourceResponse, responses=streams())
@allows(*ANY)
async def watch(
    who: Who, doors: Doors, place: Annotated[tuple[Feed, int], Depends(_place)]
) -> AsyncIterator[ServerSentEvent]:
    """
    Stream what happens from now on, or behind an event that was seen, in one order for all servers of a market.

    An event's name is the verb that was done. All keys hear what moves the book; the rest is for operators.
    """
    feed, begin = place
    async for event in feed.stream(who, begin, doors.still_lives):
        yield event


@routes.get("/metrics", response_class=MetricsText)
@allows("read", "admin")
def tell_metrics(request: Request) -> MetricsText:
    """Return prices, fill rates, rounds, holds, queues, ages and latencies, for Prometheus."""
    return MetricsText(cast(Metrics, request.app.state.metrics).text())


def _begin(last_event_id: str | None, after: int | None) -> int | None:
    if last_event_id is None:
        return after
    number = int(last_event_id)
    if number > _MOST_NUMBER:
        raise InvalidArgument(field="Last-Event-ID", value=last_event_id, fact="is no event's id")
    return number
