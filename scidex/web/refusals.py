"""What the HTTP door itself refuses, beside the exchange's own refusals."""

from __future__ import annotations

from scidex.errors import InvalidArgument, ScidexError


class MalformedBody(InvalidArgument):
    """The body is not JSON that every reader reads the same way."""


class BodyTooLarge(ScidexError):
    """The body is larger than a request may be."""


class BodyTooSlow(ScidexError):
    """The body did not arrive in time."""


class UnsupportedMediaType(ScidexError):
    """The body must be sent as application/json, without a content coding."""


class UnknownHost(ScidexError):
    """This server does not answer to the name that the request gives it."""


class ForeignPage(ScidexError):
    """A page from elsewhere may not act here."""


class AddressNotLoopback(ScidexError):
    """The server listens on loopback addresses alone."""


class AddressUnavailable(ScidexError):
    """The address to listen on is not to be had."""


class PortInUse(AddressUnavailable):
    """Another program listens on this port already."""
