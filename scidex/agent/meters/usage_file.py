"""Reads the usage that a command wrote itself, into the file that `$SCIDEX_USAGE_FILE` names."""

from __future__ import annotations

from typing import Any

from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, reading, unknown
from scidex.agent.meters.said import names_of
from scidex.agent.workplace import Workplace, read_object
from scidex.errors import shown


class UsageFileMeter(PlainMeter):
    """
    Reads a JSON object with `tokens`, or with input and output tokens, which are added, and perhaps `cost_usd`.

    A file that is missing or says something else counts as no usage known, and the note says why.
    """

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what the file says; `none` and no number where that cannot be known. Never raises."""
        try:
            return usage_in(read_object(place.usage_file))
        except FileNotFoundError:
            return unknown("the usage file was not written", meter="file")
        except (OSError, ValueError) as error:
            return unknown(f"the usage file {error}", meter="file")


def usage_in(found: dict[str, Any]) -> Usage:
    """
    Return what a usage file says, by our names or those of OpenTelemetry, OpenAI or Anthropic. Raises ValueError.

    A name that is none of these is refused: it may hold most of the tokens. What is null was left out.
    """
    if foreign := sorted(set(found) - _KNOWN):
        raise ValueError(f"gives {shown(foreign[0])}, which is not a name of usage")
    told = {name: value for name, value in found.items() if value is not None}
    cost = reading.usd(_one_of(told, _COSTS, required=False)[1], "cost_usd")
    total_name, total = _one_of(told, _TOTALS, required=False)
    parts = _parts(told) if total is None or any(name in told for name in (*_INPUTS, *_OUTPUTS)) else None
    count = reading.tokens(
        total if parts is None else parts[0] + parts[2], total_name if parts is None else "tokens in all"
    )
    if parts is not None and total is not None and reading.tokens(total, total_name) != count:
        raise ValueError(f"gives {total_name} that are not the sum of its parts: {shown(total)}")
    given, cached, answered = parts or (None, None, None)
    told_by = "none" if cost is None else "reported"
    model = names_of([reading.text(told.get("model"))])
    return Usage("file", "reported", count, given, cached, answered, cost, told_by, model=model)


_TOTALS = ("tokens", "total_tokens")
_INPUTS = ("input_tokens", "prompt_tokens", "gen_ai.usage.input_tokens")
_OUTPUTS = ("output_tokens", "completion_tokens", "gen_ai.usage.output_tokens")
_COSTS = ("cost_usd", "total_cost_usd")
# Parts of the input, within its number; and parts that come on top of it.
_WITHIN = ("cached_input_tokens", "gen_ai.usage.cache_read.input_tokens")
_DETAILS = ("input_tokens_details", "prompt_tokens_details")
_ON_TOP = ("cache_read_input_tokens", "cache_creation_input_tokens")
# These say more of what is counted already, or nothing of amounts.
_PASSED_OVER = (
    "gen_ai.usage.cache_creation.input_tokens", "reasoning_output_tokens", "output_tokens_details",
    "completion_tokens_details", "cache_creation", "cache_write_input_tokens", "server_tool_use", "service_tier",
    "model", "provider", "session_id", "note",
)  # fmt: skip
_KNOWN = frozenset((*_TOTALS, *_INPUTS, *_OUTPUTS, *_COSTS, *_WITHIN, *_DETAILS, *_ON_TOP, *_PASSED_OVER))


def _parts(told: dict[str, Any]) -> tuple[int, int | None, int]:
    """Return input in all, what of it was read from a cache where that is said, and output. Raises ValueError."""
    given_name, given = _one_of(told, _INPUTS)
    answered_name, answered = _one_of(told, _OUTPUTS)
    within = [(name, told[name]) for name in _WITHIN if name in told]
    for name in _DETAILS:
        cached = reading.mapping(told.get(name, {}), name).get("cached_tokens")
        within += [] if cached is None else [(f"{name}.cached_tokens", cached)]
    on_top = [name for name in _ON_TOP if name in told]
    if len(within) + bool(on_top) > 1:
        raise ValueError(f"gives both {within[0][0]} and {on_top[0] if on_top else within[1][0]}")
    input_tokens = reading.tokens(given, given_name) + sum(reading.tokens(told[name], name) for name in on_top)
    output_tokens = reading.tokens(answered, answered_name)
    if not within and not on_top:
        return input_tokens, None, output_tokens
    name, read = within[0] if within else (_ON_TOP[0], told.get(_ON_TOP[0], 0))
    if reading.tokens(read, name) > input_tokens:
        raise ValueError("gives parts that are more than the whole")
    return input_tokens, read, output_tokens


def _one_of(told: dict[str, Any], names: tuple[str, ...], *, required: bool = True) -> tuple[str, Any]:
    """Return the one name of these that is there, with its value; the first of them for none. Raises ValueError."""
    there = [name for name in names if name in told]
    if len(there) > 1:
        raise ValueError(f"gives both {there[0]} and {there[1]}")
    if required and not there:
        reading.tokens(None, names[0])
    return (there[0], told[there[0]]) if there else (names[0], None)
