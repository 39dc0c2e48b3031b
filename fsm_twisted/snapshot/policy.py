"""Policy values of an upstream or a route: small, frozen, valid by construction."""

from __future__ import annotations

from enum import Enum

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
