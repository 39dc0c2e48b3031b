"""The small option values of the proxy; `assembly` fills them from the settings."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network, IPv6Network

import attrs

from fsm_twisted.http1.grammar import HeadLimits
from fsm_twisted.net.tls_parameters import TlsParameters

Network = IPv4Network | IPv6Network


class PlainHttp(Enum):
    """What plain HTTP gets on a TLS host (``--plain-http-on-tls-hosts``)."""

    REDIRECT = "redirect"
    FORBID = "forbid"
    SERVE = "serve"


@attrs.frozen
class ProxyOptions:
    """
    What an operator sets for the data path; times in seconds, sizes in bytes.

    ``plain_http`` is SERVE when there is no HTTPS listener (``has_https``), since nothing could be
    redirected to.
    ``hsts`` is the value of Strict-Transport-Security, empty for none.
    ``affinity_key`` signs affinity cookies. 0 connections at most means any number.
    ``http2`` offers HTTP/2 on TLS, ``h2c`` on plain connections as well, to clients that begin
    with it; ``http2_streams`` is how many requests such a connection may have at once. ``tls`` is
    what HTTPS listeners speak.
    ``trace_share`` is the part of all requests that is sampled where nobody else decides it, None
    for no traces.
    ``access_share`` is the part of all requests that the access log is told of, None for no log;
    ``access_bodies`` tells it the size of bodies, too.
    """

    limits: HeadLimits = HeadLimits()
    body_limit_bytes: int | None = None
    header_seconds: float = 15
    body_seconds: float = 60
    idle_seconds: float = 75
    connect_seconds: float = 5
    upstream_seconds: float = 60
    tunnel_seconds: float = 3600
    pool_size: int = 256
    pool_idle_seconds: float = 60
    plain_http: PlainHttp = PlainHttp.REDIRECT
    has_https: bool = True
    https_redirect_port: int = 443
    hsts: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    proxy_protocol: bool = False
    http2: bool = True
    h2c: bool = False
    http2_streams: int = 128
    max_connections: int = 0
    max_connections_per_client: int = 0
    access_share: float | None = None
    access_bodies: bool = True
    trace_share: float | None = None
    tls: TlsParameters = TlsParameters()
    affinity_key: bytes = attrs.field(default=b"", repr=False)
