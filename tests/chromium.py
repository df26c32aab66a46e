"""Finds a Chromium for the dashboard's tests: the one named, the system's, or the one that npm brought."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_UNPACKED = Path(__file__).parents[1] / ".cache" / "chromium" / "chromium"

# A browser under test looks nowhere but where it is sent.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


class ChromiumMissing(Exception):
    """No Chromium was found: install one, or name it in SCIDEX_TEST_CHROMIUM."""


def find_chromium() -> str:
    """Return the path of a Chromium. Raises ChromiumMissing."""
    named = os.environ.get("SCIDEX_TEST_CHROMIUM")
    places = [named] if named else [shutil.which(name) for name in _NAMES] + [str(_UNPACKED)]
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    raise ChromiumMissing(ChromiumMissing.__doc__)


def arguments() -> list[str]:
    """Return what to start it with. Its sandbox needs an unprivileged user."""
    return [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


if __name__ == "__main__":
    try:
        print(find_chromium())  # noqa: T201
    except ChromiumMissing as missing:
        sys.exit(str(missing))
