"""The fields of what a run used, checked."""

from __future__ import annotations

from typing import Any

from scidex.errors import InvalidArgument
from scidex.exchange import arguments
from scidex.records import Usage

PROVENANCES = ("billed", "reported", "estimated", "none")
_MOST_USD = 1e9


def checked(usage: Any) -> dict[str, Any]:
    """Return a usage as it is journaled. Raises InvalidArgument, InvalidAmount."""
    if not isinstance(usage, Usage):
        raise InvalidArgument(field="usage", value=usage, fact="must be a Usage")
    arguments.choice(usage.provenance, "usage.provenance", PROVENANCES)
    arguments.choice(usage.cost_provenance, "usage.cost_provenance", PROVENANCES)
    for name in ("tokens", "input_tokens", "cached_input_tokens", "output_tokens"):
        if getattr(usage, name) is not None:
            arguments.tokens(getattr(usage, name), f"usage.{name}", least=0)
    cost = (
        None if usage.cost_usd is None else arguments.number(usage.cost_usd, "usage.cost_usd", least=0, most=_MOST_USD)
    )
    if (usage.provenance == "none") != (usage.tokens is None and cost is None):
        raise InvalidArgument(
            field="usage.provenance", value=usage.provenance, fact="must be none where nothing is known, and only there"
        )
    if (usage.cost_provenance == "none") != (cost is None):
        raise InvalidArgument(
            field="usage.cost_provenance",
            value=usage.cost_provenance,
            fact="must be none where no cost is known, and only there",
        )
    told = usage._replace(
        meter=arguments.identifier(usage.meter, "usage.meter"),
        note=arguments.text(usage.note, "usage.note"),
        model=arguments.text(usage.model, "usage.model"),
        cost_usd=cost,
    )
    return told._asdict()
