"""A server whose tools refuse as the exchange does: one sentence that names the field and the fact."""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError

from scidex.errors import InvalidArgument, ScidexError, StoreError, shown

_LOG = logging.getLogger(__name__)


class RefusingServer(MCPServer[Any]):
    """An MCP server that answers a refusal as a tool's error, for the model to read, and never with a traceback."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; a refusal is an answer, and what else fails is raised as the SDK does."""
        try:
            await self._check_names(name, arguments)
            # A model that has nothing to say for an argument says null.
            given = {argument: value for argument, value in arguments.items() if value is not None}
            return await super().call_tool(name, given, context)
        except ScidexError as refused:
            return _answer(str(refused))
        except ToolError as failed:
            sentence = _sentence_of(failed.__cause__)
            if sentence is None:
                raise
            return _answer(sentence)

    async def _check_names(self, name: str, arguments: dict[str, Any]) -> None:
        """Refuse an argument that a tool does not know: a misspelt key of a bid must not be passed over."""
        for tool in await self.list_tools():
            known = tool.input_schema.get("properties", {})
            for argument in arguments.keys() - known.keys() if tool.name == name else ():
                raise InvalidArgument(field=argument, value=arguments[argument], fact=f"is no argument of {name}")


def _sentence_of(cause: BaseException | None) -> str | None:
    """Return what a client is told of a refusal; None for a failure, of which it is told nothing."""
    if isinstance(cause, StoreError):  # its facts quote the database or an address, which the log is for
        _LOG.error("%s", cause)
        return (type(cause).__doc__ or "").strip().splitlines()[0]
    if isinstance(cause, ScidexError):
        return str(cause)
    if isinstance(cause, ValidationError):
        return "; ".join(_fault(error) for error in cause.errors(include_url=False))
    return None


def _fault(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    return f"{field}: {error['msg']}" if error["type"] == "missing" else f"{field}: {error['msg']}; got {_got(error)}"


def _got(error: Any) -> str:
    return shown(error["input"])


def _answer(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)
