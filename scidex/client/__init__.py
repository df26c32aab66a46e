"""A market over HTTP: the same verbs, answered by a server, with retries that cannot act twice."""

from scidex.client.client import Client

__all__ = ["Client"]
