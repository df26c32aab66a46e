"""
What the exit codes of `scidex` mean, one for each kind of fault, and the one place that turns an error into one.

0: done. 1: the market refused; the sentence on stderr says why. 2: the command line is wrong, or an argument is. 3: the
database or a file cannot be used. 4: the address to serve at cannot be used. 5: a check found a fault. 6: the server
cannot be reached. 7: the key may not do this. 8: a part is not installed. 130: interrupted a second time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

from scidex.errors import (
    ImportRefused,
    InvalidArgument,
    MarketUnreachable,
    NotAllowed,
    NotAuthenticated,
    ScidexError,
    StoreError,
)


class Exit(IntEnum):
    """How a command ended."""

    REFUSED = 1
    USAGE = 2
    NO_DATABASE = 3
    NO_ADDRESS = 4
    FAULTY = 5
    NO_SERVER = 6
    NOT_ALLOWED = 7
    NOT_INSTALLED = 8
    INTERRUPTED = 130


# The first that fits: what is more special comes first.
_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (MarketUnreachable, Exit.NO_SERVER),
    (StoreError, Exit.NO_DATABASE),
    (InvalidArgument, Exit.USAGE),
    (NotAllowed, Exit.NOT_ALLOWED),
    (NotAuthenticated, Exit.NOT_ALLOWED),
    (ScidexError, Exit.REFUSED),
)


@contextmanager
def exits() -> Iterator[None]:
    """Turn what is raised in the block into a sentence on stderr and an exit code."""
    try:
        yield
    except ImportRefused as refused:
        for line, field, fact in refused.errors:
            print(f"line {line}, {field}: {fact}", file=sys.stderr)
        leave(f"{len(refused.errors)} faults, so nothing was imported.", Exit.REFUSED)
    except OSError as error:
        leave(f"cannot use {error.filename or 'a file'}: {error.strerror or error}", Exit.NO_DATABASE)
    except ScidexError as error:
        leave(_sentence(error), _code_of(error))
    except KeyboardInterrupt:
        leave("interrupted", Exit.INTERRUPTED)


def leave(sentence: str, code: Exit) -> NoReturn:
    """End the command with a sentence on stderr."""
    print(f"scidex: {sentence}", file=sys.stderr)
    sys.exit(code)


def _code_of(error: ScidexError) -> Exit:
    if _is_of_address(error):
        return Exit.NO_ADDRESS
    return next(code for kind, code in _CODES if isinstance(error, kind))


def _sentence(error: ScidexError) -> str:
    # A note says the fact with more help than the error had at hand.
    return next(iter(getattr(error, "__notes__", ())), str(error))


def _is_of_address(error: ScidexError) -> bool:
    # Only a command that serves has loaded the server's refusals.
    refusals = sys.modules.get("scidex.web.refusals")
    return refusals is not None and isinstance(error, _addresses(refusals))


def _addresses(refusals: Any) -> tuple[type[ScidexError], ...]:
    return (
        refusals.AddressUnavailable,
        refusals.AddressNotLoopback,
        refusals.TransportNotSafe,
        refusals.NoKeyYet,
    )
