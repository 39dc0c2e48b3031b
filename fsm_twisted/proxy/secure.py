"""
Endpoints that are spoken to by TLS: connections that shake hands first, and what they share.

Pool, sessions and health belong to one policy and one endpoint, and where the server name is the
host of the request, pool and sessions to that name too: a connection that was made for one policy
or name never serves another.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL
from twisted.internet import main
from twisted.logger import Logger

from fsm_twisted.net.tls_client import (
    ClientHandshake,
    TlsFault,
    alert_in,
)
from fsm_twisted.net.tls_stream import TlsStream, make_stream
from fsm_twisted.proxy.dialled import Dialled
from fsm_twisted.proxy.endpoints import EndpointState, Group
from fsm_twisted.proxy.upstream import UpstreamConnection
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.sides import EndpointSide
    from fsm_twisted.snapshot.identity import Endpoint
    from fsm_twisted.snapshot.policy import UpstreamTls
    from fsm_twisted.snapshot.reasons import ReplyReason

_log = Logger()

MOST_NAMES: Final = 64
"""So many server names an endpoint has pools and sessions for; the oldest gives way."""

_SILENT_SECONDS: Final = 10.0
_FAILED, _UNVERIFIED = REPLIES["upstream_tls_failed"], REPLIES["upstream_unverified"]


class SecureGroup(Group):
    """
    The endpoints of one Service port under one policy.

    ``context`` is None when OpenSSL refuses the policy: then no connection comes about.
    ``server_name`` is ``""`` for the host of each request.
    """

    __slots__ = ("context", "server_name", "service")

    def __init__(self, tls: UpstreamTls, context: SSL.Context | None, service: str) -> None:
        super().__init__()
        self.context = context
        self.server_name = tls.server_name
        self.service = service

    def make(self, endpoint: Endpoint) -> EndpointState:
        """Make the state of a new member."""
        return SecureEndpoint(endpoint, self)


class SecureEndpoint(EndpointState):
    """An endpoint under one TLS policy; ``idle`` is used when the policy has a server name."""

    __slots__ = ("_idle_by_name", "_secure", "_sessions", "_told", "_told_at")

    def __init__(self, endpoint: Endpoint, group: SecureGroup) -> None:
        super().__init__(endpoint, group)
        self._secure = group
        self.is_by_name = not group.server_name
        self._idle_by_name: dict[str, list[UpstreamConnection]] = {}
        self._sessions: dict[str, SSL.Session] = {}
        self._told = ""
        self._told_at = 0.0

    def connection(self, plane: DataPlane, exchange: Exchange) -> EndpointSide:
        """See `EndpointState.connection`."""
        return SecureConnection(plane, self, exchange)

    @property
    def context(self) -> SSL.Context | None:
        """What connections are made with."""
        return self._secure.context

    @property
    def server_name(self) -> str:
        """The server name of the policy, ``""`` where it is the host of each request."""
        return self._secure.server_name

    def name_for(self, exchange: Exchange) -> str:
        """Return the server name for a request: that of the policy, else its host."""
        if not self.is_by_name:
            return self._secure.server_name
        head = exchange.head
        host = exchange.host if head is None else head.authority.host
        return host.decode("ascii").strip("[]")

    def idle_for(self, exchange: Exchange) -> list[UpstreamConnection]:
        """See `EndpointState.idle_for`."""
        return self.pool_of(self.name_for(exchange))

    def pool_of(self, name: str) -> list[UpstreamConnection]:
        """Return the idle connections that were made for the server *name*."""
        if not self.is_by_name:
            return self.idle
        pool = self._idle_by_name.get(name)
        if pool is None:
            if len(self._idle_by_name) >= MOST_NAMES:
                self._forget_a_name()
            pool = self._idle_by_name[name] = []
        return pool

    def _forget_a_name(self) -> None:
        oldest = next(iter(self._idle_by_name))
        self._sessions.pop(oldest, None)
        for connection in tuple(self._idle_by_name.pop(oldest)):
            connection.close()

    def session_of(self, name: str) -> SSL.Session | None:
        """Return what the next connection for the server *name* may resume."""
        return self._sessions.get(name)

    def keep_session(self, name: str, session: SSL.Session | None) -> None:
        """Remember a session of a connection that was made, and checked, for *name*."""
        if session is not None and (not self.is_by_name or name in self._idle_by_name):
            self._sessions[name] = session

    @property
    def idle_count(self) -> int:
        """How many connections are idle."""
        return len(self.idle) + sum(map(len, self._idle_by_name.values()))

    def retire(self) -> None:
        """See `EndpointState.retire`."""
        super().retire()
        for pool in tuple(self._idle_by_name.values()):
            for connection in tuple(pool):
                connection.close()

    def tell(self, what: str, now: float) -> None:
        """Log why TLS has failed; the same again only after a while."""
        if what != self._told or now - self._told_at >= _SILENT_SECONDS:
            self._told, self._told_at = what, now
            _log.warn(
                "TLS to endpoint {endpoint} of Service {service} failed: {what}",
                endpoint=str(self.endpoint),
                service=self._secure.service,
                what=what,
            )


class Secured(Dialled):
    """
    A connection by TLS; it is connecting until the handshake is done and checked.

    Attributes:
        name: The server name that it is made for.
        connect_failure: What requests are answered with when there is no connection.
        close_failure: What they are answered with when the connection ends before an answer.
    """

    connect_failure: ReplyReason = REPLIES["connect_failed"]
    close_failure: ReplyReason = REPLIES["upstream_closed"]
    name: str
    _secure: SecureEndpoint
    _handshake: ClientHandshake | None = None
    _tls: SSL.Connection | None = None
    _tls_stream: TlsStream | None = None

    def secure(self, endpoint: SecureEndpoint, name: str) -> None:
        """Be one for the server *name*, from the beginning."""
        self._secure = endpoint
        self.name = name

    def established(self) -> Exception | None:
        """Shake hands on the connection that stands."""
        context = self._secure.context
        if context is None:
            self._refused(TlsFault("OpenSSL refuses its upstream-ssl-secret"))
            return None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._handshake = handshake = ClientHandshake(
            self._loop, self._socket, context, self.name, self._secured, self._refused
        )
        handshake.begin(self._secure.session_of(self.name))
        return None

    def _secured(self, tls: SSL.Connection) -> None:
        self._handshake, self._tls = None, tls
        self._tls_stream = stream = make_stream(tls, self._socket)
        fault = self.fault_of(stream)
        if fault is not None:
            self._refused(fault)
            return
        self.attach(self._socket, stream)
        why = super().established()
        if why is not None:
            self.connectionLost(why)

    def fault_of(self, stream: TlsStream) -> TlsFault | None:
        """Look at a connection that is checked; return why it is of no use all the same."""
        del stream
        return None

    def _refused(self, fault: TlsFault) -> None:
        self.connect_failure = _UNVERIFIED if fault.is_unverified else _FAILED
        wanted = self._secure.server_name
        what = f"{fault.what} ({wanted} is wanted)" if fault.is_name and wanted else fault.what
        self._secure.tell(what, self.plane.seconds())
        self.connectionLost(main.CONNECTION_LOST)

    def keep_session(self) -> None:
        """Keep its session for the next one; by the first answer, it has arrived."""
        if self._tls is not None:
            self._secure.keep_session(self.name, self._tls.get_session())

    def stop_handshake(self) -> bool:
        """Let go of a handshake that is under way; False when there is none."""
        if self._handshake is None:
            return False
        self._handshake.stop()
        return True

    def explain_end(self) -> None:
        """Look for an alert: by TLS 1.3 our certificate is refused after the handshake."""
        alert = None if self._tls_stream is None else alert_in(self._tls_stream.fault)
        if alert is not None:
            self.close_failure = _FAILED
            self._secure.tell(alert, self.plane.seconds())


class SecureConnection(Secured, UpstreamConnection):
    """An HTTP/1 connection by TLS."""

    def __init__(self, plane: DataPlane, endpoint: SecureEndpoint, exchange: Exchange) -> None:
        super().__init__(plane, endpoint, exchange)
        self.secure(endpoint, endpoint.name_for(exchange))
        self.pool = endpoint.pool_of(self.name)

    def is_alive(self) -> bool:
        """Look below the surface: records that are no data may wait in the socket."""
        if self._tls is None:
            return False
        try:
            self._tls.recv(1, socket.MSG_PEEK)
        except SSL.WantReadError:
            return True
        except SSL.Error:
            return False
        return False

    def release(self, now: float) -> None:
        """See `UpstreamConnection.release`."""
        if self.is_fresh:
            self.keep_session()
        super().release(now)

    def closed(self) -> None:
        """See `UpstreamConnection.closed`."""
        if not self.stop_handshake() and self.is_fresh and self.exchange is not None:
            self.explain_end()
        super().closed()
