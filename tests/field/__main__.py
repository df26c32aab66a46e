"""`python -m tests.field`: a simulated market for so many days, and a summary of what was seen of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from tests.field.clock import START
from tests.field.field import Field
from tests.field.promises import Promises
from tests.field.worlds import draw
from tests.postgres_server import running_postgres

# Of one promise that is broken again and again, so many facts are shown.
_MOST_SHOWN = 5


def main() -> int:
    """Run the market that the command line asks for; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.field", description=__doc__)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite")
    told = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder}/market.db"
        if told.db == "postgres":
            url = opened.enter_context(opened.enter_context(running_postgres()).new_database())
        return _run(Field(draw(told.seed, told.days), url, folder / "runs"))


def _run(field: Field) -> int:
    _say(str(field.spec))
    began, shown = time.monotonic(), Counter[str]()
    with field.open():
        promises = Promises(field)
        for hour in range(1, int(field.spec.days * 24) + 1):
            field.clock.run_until(START + timedelta(hours=hour))
            for broken in promises.ask_all():
                shown[broken.promise] += 1
                if shown[broken.promise] <= _MOST_SHOWN:
                    _say(str(broken))
            if hour % 24 == 0:
                _say(f"day {hour // 24}, after {time.monotonic() - began:.0f} s: {field.counts}")
        for broken in promises.ask_at_the_end():
            _say(str(broken))
    _say(f"rows by day: {promises.rows_by_day}")
    _say(f"longest waits: {promises.waits.longest}")
    _say(f"seen: {field.seen}")
    _say(f"broken: {Counter(broken.promise for broken in promises.broken)}")
    return 1 if promises.broken else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
