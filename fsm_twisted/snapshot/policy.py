"""Policy values of an upstream or a route: small, frozen, valid by construction."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Self

import attrs


class Algorithm(Enum):
    """How an endpoint is picked (annotation ``lb-type``)."""

    ROUND_ROBIN = "round-robin"
    HASHING = "hashing"
    LEAST_WORK = "least-work"


class HashSource(Enum):
    """What ``hashing`` hashes (annotation ``hash-by``)."""

    CLIENT_IP = "client-ip"
    URI = "uri"
    HEADER = "header"
    COOKIE = "cookie"


@attrs.frozen
class HashBy:
    """The hashed part of a request; ``name`` is that of the header (lower-case) or the cookie."""

    source: HashSource = HashSource.CLIENT_IP
    name: str = ""


class Affinity(Enum):
    """The promise to pick the same endpoint again (annotation ``session-sticky``)."""

    NONE = "none"
    CLIENT_IP = "client-ip"
    COOKIE = "cookie"


@attrs.frozen
class Balancing:
    """How the endpoints of one upstream are shared out."""

    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    hash_by: HashBy = HashBy()
    affinity: Affinity = Affinity.NONE


@attrs.frozen
class Timeouts:
    """Seconds, each ``None`` for the option's value (annotations ``proxy-*-timeout``)."""

    connect_seconds: float | None = None
    read_seconds: float | None = None
    send_seconds: float | None = None


class PlainAccess(Enum):
    """
    What plain HTTP gets on a route (annotations ``ssl-redirect``, ``force-ssl-redirect``).

    DEFAULT is what the option says of TLS hosts, SERVED the route itself there too. REDIRECTED is
    a redirect to https on TLS hosts although the option says to serve, ALWAYS_REDIRECTED one on
    every host.
    """

    DEFAULT = "default"
    SERVED = "served"
    REDIRECTED = "redirected"
    ALWAYS_REDIRECTED = "always"


class Protocol(Enum):
    """What is spoken to the endpoints of an upstream (annotation ``upstream-protocol``)."""

    HTTP1 = "http/1.1"
    HTTP2 = "h2"


@attrs.frozen(cache_hash=True)
class UpstreamTls:
    """
    How TLS is spoken to the endpoints of an upstream (annotations ``upstream-ssl-*``).

    ``server_name`` is the name that is sent (SNI) and verified, a DNS name or an IP address;
    ``""`` for the Host of each request. ``fingerprint`` identifies all the rest (SHA-256,
    hexadecimal): equal ones share their TLS context. ``authorities_pem`` are the certificates that
    are trusted, empty for those of the system. ``chain_pem`` and ``key_pem`` are the certificate
    that is shown to endpoints that ask for one, else empty.
    """

    fingerprint: str
    server_name: str = ""
    is_verified: bool = attrs.field(default=False, hash=False)
    authorities_pem: bytes = attrs.field(default=b"", repr=False, hash=False)
    chain_pem: bytes = attrs.field(default=b"", repr=False, hash=False)
    key_pem: bytes = attrs.field(default=b"", repr=False, hash=False)


class VerifyClient(Enum):
    """
    Whether clients of a host must show a certificate (annotation ``tls-verify-client``).

    IMPOSSIBLE: it is asked for, but cannot be done, so nobody is served.
    """

    OPTIONAL = "optional"
    ON = "on"
    IMPOSSIBLE = "impossible"


@attrs.frozen(cache_hash=True)
class ClientVerification:
    """
    How the clients of a host prove who they are (annotations ``tls-*``).

    ``fingerprint`` identifies all the rest (SHA-256, hexadecimal). ``depth`` is how many
    intermediate authorities may stand between a client's certificate and a trusted one;
    ``authorities_pem`` are those that are trusted.
    """

    fingerprint: str
    mode: VerifyClient = attrs.field(hash=False)
    depth: int = attrs.field(default=1, hash=False)
    authorities_pem: bytes = attrs.field(default=b"", repr=False, hash=False)

    @classmethod
    def of(cls, mode: VerifyClient, depth: int, authorities_pem: bytes) -> Self:
        """Make one with its fingerprint."""
        parts = (mode.value.encode("ascii"), b"%d" % depth, authorities_pem)
        fingerprint = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return cls(fingerprint, mode, depth, authorities_pem)

    def covers(self, other: ClientVerification) -> bool:
        """Tell whether a client that this lets in has shown what *other* asks for."""
        if self.mode is VerifyClient.IMPOSSIBLE or self.fingerprint == other.fingerprint:
            return True
        return (
            self.mode is VerifyClient.ON
            and other.mode is VerifyClient.OPTIONAL
            and (self.depth, self.authorities_pem) == (other.depth, other.authorities_pem)
        )


IMPOSSIBLE = ClientVerification.of(VerifyClient.IMPOSSIBLE, 0, b"")
"""What a host gets that asks for verification in a way that cannot be honoured."""
