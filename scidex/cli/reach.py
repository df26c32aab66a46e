"""Options that say from where a served market is reached, and how safely."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scidex.web.serving import Transport

_READABLE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True, "show_default": False}


@dataclass(frozen=True)
class Reach:
    """Where a server is reached."""

    host: Annotated[
        str, typer.Option(help="The address to serve at; one that others reach needs --certificate or --insecure.")
    ] = "127.0.0.1"
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="The port to serve at; unless given 8787, or any free one.", show_default=False
        ),
    ] = None
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name to answer to; may be given again.", show_default=False),
    ] = None
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The certificate for TLS, in PEM.", **_READABLE)
    ] = None
    private_key: Annotated[
        Path | None, typer.Option("--private-key", help="The certificate's private key, in PEM.", **_READABLE)
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve others without TLS: anyone on the network can then use the keys.")
    ] = False

    def transport(self) -> Transport:
        """Return how the market is reached, and warn where that is not safe. Raises BadParameter."""
        from scidex.web.serving import Transport

        if (self.certificate is None) != (self.private_key is None):
            raise typer.BadParameter("--certificate and --private-key go together", param_hint="--certificate")
        if self.insecure:
            typer.echo("scidex: serving without TLS; anyone on the network can use the keys.", err=True)
        names = frozenset(name.lower() for name in self.names or ())
        return Transport(names, self.certificate, self.private_key, self.insecure)
