"""Reading `scidex.toml`: a fleet, or every fault with its line, what is wrong, and the name that was probably meant."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from scidex.errors import ScidexError, shown
from scidex.fleet.lines import Place, line_of, lines_of
from scidex.fleet.schema import NAME, VARIABLE, Fleet

FILE_NAME = "scidex.toml"
_LIKENESS = 0.6
_PATTERNS = {NAME: "a name without spaces", VARIABLE: "the name of a variable"}


class Fault(NamedTuple):
    """What is wrong in a fleet's file, and where."""

    line: int
    place: str
    fact: str

    def __str__(self) -> str:
        return f"{self.place} {self.fact}".lstrip()


class FleetFileRefused(ScidexError):
    """The fleet's file is not right, so nothing was done."""

    file: str
    faults: tuple[Fault, ...]

    def _sentence(self) -> str:
        first = self.faults[0]
        return f"{self.file}, line {first.line}: {first}"


def read(path: Path) -> Fleet:
    """Return the fleet of a file. Raises FleetFileRefused, OSError."""
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, file: str = FILE_NAME) -> Fleet:
    """Return the fleet of a file's text. Raises FleetFileRefused."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FleetFileRefused(file=file, faults=(_fault_of_toml(error, text),)) from None
    try:
        return Fleet.model_validate(told)
    except ValidationError as error:
        places = lines_of(text)
        faults = tuple(_fault(one, told, places) for one in error.errors(include_url=False))
        raise FleetFileRefused(file=file, faults=faults) from None


def _fault_of_toml(error: tomllib.TOMLDecodeError, text: str) -> Fault:
    message, _, rest = str(error).partition(" (at ")
    line = rest.removeprefix("line ").partition(",")[0]
    last = max(1, len(text.splitlines()))
    return Fault(int(line) if line.isdecimal() else last, "", f"is not TOML: {message[:1].lower()}{message[1:]}")


def _fault(error: Any, told: dict[str, Any], places: dict[Place, int]) -> Fault:
    place: Place = tuple(part for part in error["loc"] if part != "[key]")
    fact = " ".join(_facts(error, place))
    return Fault(line_of(place, places), shown_place(place), fact)


def _facts(error: Any, place: Place) -> Iterator[str]:
    match error["type"]:
        case "extra_forbidden":
            yield "is not known"
            if like := get_close_matches(str(place[-1]), _names_at(place[:-1]), n=1, cutoff=_LIKENESS):
                yield f"here; did you mean {like[0]}?"
        case "missing":
            yield "is missing"
        case "value_error":
            yield str(error["ctx"]["error"])
        case "string_pattern_mismatch":
            yield f"must be {_PATTERNS[error['ctx']['pattern']]}; got {shown(error['input'])}"
        case _:
            yield f"{error['msg'][:1].lower()}{error['msg'][1:]}; got {shown(error['input'])}"


def shown_place(place: Place) -> str:
    """Return a place as it is written, as `agents[0].command`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _names_at(place: Place) -> list[str]:
    """Return the names that the schema knows at a place."""
    kind: Any = Fleet
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = next((one for name, one in kind.model_fields.items() if part in (name, one.alias)), None)
            kind = None if field is None else field.annotation
        else:
            kind = _inner(kind)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    return [one.alias or name for name, one in kind.model_fields.items()]


def _inner(kind: Any) -> Any:
    """Return what a list or a table of the schema holds."""
    arguments = [one for one in get_args(kind) if one is not Ellipsis]
    return arguments[-1] if arguments else None
