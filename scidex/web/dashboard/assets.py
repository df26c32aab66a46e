"""The files that the dashboard's pages load: read once, kept in memory, and served by exact name alone."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from importlib import resources

from starlette.responses import Response

_LOG = logging.getLogger(__name__)
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_OURS = ("dashboard.css", "dashboard.js", "chart.js", "icon.svg")
_OTHERS = ("vendor/htmx.min.js", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css")


@dataclass(frozen=True)
class Asset:
    """A file, and the digest that is part of its address: a page never meets files of another version."""

    body: bytes
    media_type: str
    digest: str


class Assets:
    """The dashboard's files by name."""

    def __init__(self) -> None:
        folder = resources.files("scidex.web.dashboard") / "static"
        self.files: dict[str, Asset] = {}
        for name in (*_OURS, *_OTHERS):
            file = folder.joinpath(*name.split("/"))
            if file.is_file():
                body = file.read_bytes()
                kind = _TYPES[name.rpartition(".")[2]]
                self.files[name] = Asset(body, kind, hashlib.sha256(body).hexdigest()[:12])
        self.missing = [name for name in _OTHERS if name not in self.files]
        if self.missing:
            _LOG.warning("the dashboard's pages will not stay live: %s missing; run `make frontend`", self.missing)

    def address(self, name: str) -> str:
        """Return where a page finds a file."""
        digest = self.files[name].digest if name in self.files else "missing"
        return f"/static/{name}?v={digest}"

    def response(self, name: str, digest: str) -> Response | None:
        """Return a file as a response, or None where there is none of this name."""
        asset = self.files.get(name)
        if asset is None:
            return None
        kept = "public, max-age=31536000, immutable" if digest == asset.digest else "no-cache"
        return Response(asset.body, media_type=asset.media_type, headers={"Cache-Control": kept})
