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
    """The server listens on an address given as a number, or on localhost."""


class AddressUnavailable(ScidexError):
    """The address to listen on is not to be had."""


class PortInUse(AddressUnavailable):
    """Another program listens on this port already."""


class TooManyRequests(ScidexError):
    """There were more of these in a second than may be."""


class TooManyEventStreams(ScidexError):
    """As many streams of events are open as may be."""


class AuditAtWork(ScidexError):
    """An audit is being done now."""


class RequestInFlight(ScidexError):
    """A request with this idempotency key is being done now."""


class IdempotencyKeyMissing(InvalidArgument):
    """What moves tokens needs an idempotency key, so that sending it again cannot do it again."""


class SessionLinkUsed(ScidexError):
    """This link opens the dashboard once, and soon after it was made."""


class NoKeyYet(ScidexError):
    """An address that others reach is served once the market has a key."""


class TransportNotSafe(ScidexError):
    """An address that others reach is served over TLS, or by an explicit word without."""
