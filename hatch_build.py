"""Refuses to build a package that lacks the files which the dashboard serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("scidex/web/dashboard/static/vendor")
FILES = ("htmx.min.js", "htmx.LICENSE", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE")


class WholePackage(BuildHookInterface[Any]):
    """Looks for the front-end files before anything is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise RuntimeError where a file is missing; an editable install may fetch it later."""
        missing = [name for name in FILES if not (Path(self.root) / VENDOR / name).is_file()]
        if missing and version != "editable":
            raise RuntimeError(f"{VENDOR} lacks {', '.join(missing)}: run `make frontend` (or `make dist`) first")
