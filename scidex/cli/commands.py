"""How commands take their options: a parameter of a dataclass's type stands for the options that are its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, get_type_hints


def command(*examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Make a function a command whose help ends with these examples.

    A dataclass that is a context manager is entered around the command.
    """

    def made(body: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(body, eval_str=True).parameters.values()
        groups: dict[str, Any] = {one.name: one.annotation for one in parameters if is_dataclass(one.annotation)}

        @wraps(body)
        def flat(**given: Any) -> None:
            with ExitStack() as stack:
                for name, kind in groups.items():
                    options = kind(**{one.name: given.pop(one.name) for one in fields(kind) if one.init})
                    given[name] = stack.enter_context(options) if hasattr(options, "__enter__") else options
                body(**given)

        own = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in parameters if one.name not in groups]
        # Those that say where the market is come last: every command has them.
        kinds = sorted(groups.values(), key=lambda kind: hasattr(kind, "__enter__"))
        shared = [option for kind in kinds for option in _options_of(kind)]
        flat.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        flat.examples = examples  # type: ignore[attr-defined]
        return flat

    return made


def _options_of(kind: type[Any]) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(kind)
        if one.init
    ]
