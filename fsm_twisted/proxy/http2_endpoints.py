"""Endpoints that are spoken to by HTTP/2, plain (h2c by prior knowledge) or by TLS (ALPN h2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm_twisted.net.tls_client import TlsFault
from fsm_twisted.proxy.endpoints import EndpointState, Group
from fsm_twisted.proxy.http2_pool import Http2Pool
from fsm_twisted.proxy.http2_upstream import Http2Upstream
from fsm_twisted.proxy.secure import Secured, SecureEndpoint, SecureGroup
from fsm_twisted.proxy.upstream_stream import UpstreamStream

if TYPE_CHECKING:
    from fsm_twisted.net.tls_stream import TlsStream
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.snapshot.identity import Endpoint

_NO_HTTP2: Final = TlsFault("it does not agree to speak HTTP/2 (ALPN h2)")


class Multiplexed(EndpointState):
    """An endpoint whose connections carry many exchanges: ``idle`` stays empty."""

    __slots__ = ()
    pool: Http2Pool

    @property
    def idle_count(self) -> int:
        """How many connections are idle."""
        return self.pool.idle_count

    def retire(self) -> None:
        """See `EndpointState.retire`."""
        self.is_retired = True
        self.pool.retire()


class Http2Endpoint(Multiplexed):
    """An endpoint that is spoken to in plain."""

    __slots__ = ("pool",)

    def __init__(self, endpoint: Endpoint, group: Group) -> None:
        super().__init__(endpoint, group)
        self.pool = Http2Pool(self._dial)

    def _dial(self, plane: DataPlane, name: str) -> Http2Upstream:
        del name
        return Http2Upstream(plane, self, self.pool)

    def connection(self, plane: DataPlane, exchange: Exchange) -> UpstreamStream:
        """See `EndpointState.connection`."""
        del plane
        return UpstreamStream(exchange, self, self.pool, "")


class SecureHttp2Endpoint(Multiplexed, SecureEndpoint):
    """An endpoint under one TLS policy; connections are for the server name they were made for."""

    __slots__ = ("pool",)

    def __init__(self, endpoint: Endpoint, group: SecureGroup) -> None:
        super().__init__(endpoint, group)
        self.pool = Http2Pool(self._dial)

    def _dial(self, plane: DataPlane, name: str) -> Http2Upstream:
        return SecureHttp2Upstream(plane, self, name)

    def connection(self, plane: DataPlane, exchange: Exchange) -> UpstreamStream:
        """See `EndpointState.connection`."""
        del plane
        return UpstreamStream(exchange, self, self.pool, self.name_for(exchange))


class SecureHttp2Upstream(Secured, Http2Upstream):
    """An HTTP/2 connection by TLS."""

    scheme = b"https"

    def __init__(self, plane: DataPlane, endpoint: SecureHttp2Endpoint, name: str) -> None:
        super().__init__(plane, endpoint, endpoint.pool)
        self.secure(endpoint, name)

    def fault_of(self, stream: TlsStream) -> TlsFault | None:
        """Insist on HTTP/2 (RFC 9113 section 3.2)."""
        return None if stream.protocol == b"h2" else _NO_HTTP2

    def answered(self) -> None:
        """See `Http2Upstream.answered`."""
        self.keep_session()

    def closed(self) -> None:
        """See `Http2Upstream.closed`."""
        if not self.stop_handshake() and not self.was_answered:
            self.explain_end()
        super().closed()


class Http2Group(Group):
    """The endpoints of one Service port that are spoken to in plain."""

    __slots__ = ()

    def make(self, endpoint: Endpoint) -> EndpointState:
        """Make the state of a new member."""
        return Http2Endpoint(endpoint, self)


class SecureHttp2Group(SecureGroup):
    """The endpoints of one Service port under one policy."""

    __slots__ = ()

    def make(self, endpoint: Endpoint) -> EndpointState:
        """Make the state of a new member."""
        return SecureHttp2Endpoint(endpoint, self)
