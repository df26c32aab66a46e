"""
What the exit codes of `scidex` mean, and the one place that turns a refusal into one.

0: done. 1: the market refused; the sentence on stderr says why. 2: the command line is wrong. 3: the database or a
directory cannot be used. 4: the address to serve at cannot be used. 5: a check of the market found a fault. 130:
interrupted a second time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from scidex.errors import ImportRefused, ScidexError, StoreError


class Exit(IntEnum):
    """How a command ended; 2 is the command line's own."""

    REFUSED = 1
    NO_DATABASE = 3
    NO_ADDRESS = 4
    FAULTY = 5
    INTERRUPTED = 130


@contextmanager
def exits() -> Iterator[None]:
    """Turn what is raised in the block into a sentence on stderr and an exit code."""
    try:
        yield
    except ImportRefused as refused:
        for line, field, fact in refused.errors:
            print(f"line {line}, {field}: {fact}", file=sys.stderr)
        _leave(f"{len(refused.errors)} faults, so nothing was imported.", Exit.REFUSED)
    except StoreError as error:
        _leave(str(error), Exit.NO_DATABASE)
    except OSError as error:
        _leave(f"cannot use {error.filename or 'a file'}: {error.strerror or error}", Exit.NO_DATABASE)
    except ScidexError as error:
        _leave(str(error), Exit.NO_ADDRESS if _is_of_address(error) else Exit.REFUSED)
    except KeyboardInterrupt:
        _leave("interrupted", Exit.INTERRUPTED)


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


def _leave(sentence: str, code: Exit) -> None:
    print(f"scidex: {sentence}", file=sys.stderr)
    sys.exit(code)
