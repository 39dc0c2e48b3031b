"""How to reach the API server, as values; and the family of errors of this room."""

from __future__ import annotations

from typing import Protocol

import attrs
from twisted.internet.defer import Deferred

from fsm_twisted.sources.contents import SourceError


class ApiFailure(Exception):
    """Something between us and the API server; the text says what, and never holds a secret."""


class CredentialsError(ApiFailure, SourceError):
    """Credentials that cannot be had or used; the text is one line for the operator."""


@attrs.frozen
class TLSFacts:
    """
    What a TLS connection to the API server needs.

    ``server_name`` is what the certificate must cover, None for the host of the URL;
    ``trust_pem`` the certificate authorities, None for those of the system.
    """

    server_name: str | None = None
    trust_pem: bytes | None = None
    certificate_pem: bytes | None = attrs.field(default=None, repr=False)
    key_pem: bytes | None = attrs.field(default=None, repr=False)
    is_verified: bool = True


@attrs.frozen
class Proxy:
    """
    A proxy to be asked for a tunnel (CONNECT, RFC 9110 section 9.3.6).

    ``is_secure``: TLS is spoken with the proxy itself. ``authorization`` is the value of
    ``Proxy-Authorization``.
    """

    host: str
    port: int
    is_secure: bool = False
    authorization: bytes | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the form that people read, without what it knows us by."""
        return f"the proxy {self.host}:{self.port}"


@attrs.frozen
class Access:
    """
    One way to the API server, good for a while.

    ``base_url`` has no slash at its end. ``authorization`` is the value of the header.
    ``good_for_seconds``: when to ask for the credentials anew; ``expires`` is when they end, in
    seconds of the Unix epoch, None when nobody knows.
    """

    base_url: str
    tls: TLSFacts = TLSFacts()
    authorization: bytes | None = attrs.field(default=None, repr=False)
    good_for_seconds: float = 60.0
    expires: float | None = None
    proxy: Proxy | None = None


class AccessKeeper(Protocol):
    """Who knows the way at this moment."""

    def check(self) -> None:
        """
        Look whether there is any, before the reactor runs.

        Raises:
            CredentialsError: There is none; the text says why.
        """

    def stop(self) -> None:
        """End what is under way."""

    def get(self) -> Deferred[Access]:
        """
        Return the way to use for a request that begins now.

        Fires at once or later; fails with `CredentialsError`.
        """

    def renew(self, stale: Access) -> Deferred[Access]:
        """
        Return another way, for the API server has just refused *stale* (401).

        Fires at once or later, possibly with an equal one; fails with `CredentialsError`.
        """
