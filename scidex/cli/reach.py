"""Options that say from where a served market is reached, and how safely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scidex.web.serving import Transport

_READABLE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True, "show_default": False}

HostOption = Annotated[
    str, typer.Option(help="The address to serve at; one that others reach needs --certificate or --insecure.")
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option("--name", help="A host name to answer to beside the address; may be given again.", show_default=False),
]
CertificateOption = Annotated[
    Path | None, typer.Option("--certificate", help="The certificate for TLS, in PEM.", **_READABLE)
]
PrivateKeyOption = Annotated[
    Path | None, typer.Option("--private-key", help="The certificate's private key, in PEM.", **_READABLE)
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Serve others without TLS: whoever listens in can use the keys.")
]


def transport_of(
    names: list[str] | None, certificate: Path | None, private_key: Path | None, *, insecure: bool
) -> Transport:
    """Return how the market is reached, and warn where that is not safe."""
    from scidex.web.serving import Transport

    if (certificate is None) != (private_key is None):
        raise typer.BadParameter("--certificate and --private-key go together", param_hint="--certificate")
    if insecure:
        typer.echo("scidex: serving without TLS; whoever listens in on the network can use the keys.", err=True)
    return Transport(frozenset(name.lower() for name in names or ()), certificate, private_key, insecure)
