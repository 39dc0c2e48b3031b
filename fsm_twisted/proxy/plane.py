"""The data plane as a whole: what all connections share, from first accept to drain."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from wsgiref.handlers import format_date_time

from fsm_twisted.balancing.budget import RetryBudget
from fsm_twisted.http2.limits import DEFAULT_LIMITS, Limits
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.splice import Pipes
from fsm_twisted.net.stream import PlainStream, Stream
from fsm_twisted.net.sweep import Sweep
from fsm_twisted.proxy.downstream import Downstream
from fsm_twisted.proxy.http2_downstream import Http2Downstream
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.passed import PassedConnection
from fsm_twisted.proxy.places import Places
from fsm_twisted.proxy.refused_clients import RefusedClients
from fsm_twisted.proxy.runtime import RunTime
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from fsm_twisted.snapshot.model import Route, Snapshot

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.client import Claims, Peer
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.record import Asked, Recorder
    from fsm_twisted.proxy.tracing import Tracer
    from fsm_twisted.snapshot.reasons import ReplyReason

# Most requests on one connection to an endpoint: RFC 9113 wants every server to allow as many.
# Its window has room for the windows of all of them, so that slow clients never stop the others.
HTTP2_STREAMS = 100
# A few slow endpoints may hold back the windows of their streams without stopping the others.
HTTP2_WINDOW_BYTES = 4 * 1024 * 1024


class ClientConnection(Protocol):
    """A client's connection, whatever version of HTTP it speaks."""

    peer: Peer

    @property
    def is_idle(self) -> bool:
        """Whether it serves no request."""

    @property
    def has_output(self) -> bool:
        """Whether bytes wait for the kernel."""

    def describe(self) -> None:
        """Make the note of the client that records of its requests have."""

    def close(self) -> None:
        """Close now."""

    def drain(self) -> None:
        """End as soon as what has been asked is answered."""

    def cut(self, code: str) -> None:
        """Abort, for the reason *code*, whatever is under way."""


class DataPlane:
    """
    What every downstream connection of a process shares.

    Args:
        loop: The reactor.
        sweep: Keeps the deadlines; its clock is monotonic, in seconds.
        options: The operator's values.
        draw: ``draw(n)`` gives a random number below n.
        wall_seconds: Seconds since the epoch, for Date.
        request_ids: Gives a new, unguessable X-Request-ID at each call.
    """

    def __init__(
        self,
        loop: EventLoop,
        sweep: Sweep,
        options: ProxyOptions,
        *,
        draw: Callable[[int], int],
        wall_seconds: Callable[[], float],
        request_ids: Callable[[], bytes],
    ) -> None:
        self.loop = loop
        self.sweep = sweep
        self.seconds = sweep.seconds
        self.options = options
        self.next_request_id = request_ids
        self.runtime = RunTime.of_options(options, draw)
        self.budget = RetryBudget()
        self.pipes = Pipes()
        self.trusted_proxies = TrustedProxies(options.trusted_proxies)
        self.connections: set[ClientConnection] = set()
        limits = options.limits
        self.http2_limits = Limits(
            streams=options.http2_streams,
            connection_window=HTTP2_WINDOW_BYTES,
            target_bytes=limits.line_bytes,
            head_bytes=limits.head_bytes,
            fields=limits.fields,
        )
        self.http2_upstream_limits = Limits(
            streams=HTTP2_STREAMS,
            connection_window=HTTP2_STREAMS * DEFAULT_LIMITS.stream_window,
            head_bytes=limits.head_bytes,
            fields=limits.fields,
        )
        self.places = Places(options.max_connections, options.max_connections_per_client)
        self.replies: Counter[str] = Counter()
        self.handshakes: Counter[str] = Counter()
        self.tunnels: Counter[str] = Counter()  # open ones
        self.refused_clients = RefusedClients()
        self.accepted = 0
        self.access: Recorder | None = None
        self.tracer: Tracer | None = None
        self.is_draining = False
        self.answers_are_last = False  # of their HTTP/1 connections
        self._drained: Callable[[], None] | None = None
        self._wall_seconds = wall_seconds
        value = options.hsts.encode("ascii")
        self.hsts_line = b"Strict-Transport-Security: %b\r\n" % value if value else b""
        self._tell_date(0)
        sweep.every_second(self._tell_date)
        sweep.every_second(self.runtime.readmit)
        sweep.every_second(self.places.report)
        sweep.every_second(self.refused_clients.report)

    def _tell_date(self, _: float) -> None:
        date = format_date_time(self._wall_seconds())
        self.date_field = b"Date: %b\r\n" % date.encode("ascii")

    def activate(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from now on; requests under way keep theirs."""
        self.runtime.activate(snapshot)

    def serve(self, sock: socket.socket, stream: Stream, peer: Peer, first: bytes = b"") -> None:
        """
        Serve HTTP/1 on a connection that has come in by an `Entrance` and is ready for it.

        Args:
            sock: The connection.
            stream: What is read and written through.
            peer: The client.
            first: What has been read of its input already.
        """
        self._start(Downstream(self, peer), sock, stream, first)

    def serve_http2(
        self, sock: socket.socket, stream: Stream, peer: Peer, first: bytes = b""
    ) -> None:
        """Serve HTTP/2 on such a connection; see `serve`."""
        self._start(Http2Downstream(self, peer), sock, stream, first)

    def pass_through(
        self, sock: socket.socket, peer: Peer, route: Route, server_name: bytes
    ) -> None:
        """Pass a TLS connection on, of which nothing has been read, to the upstream of *route*."""
        self.accepted += 1
        connection = PassedConnection(self, peer, server_name)
        connection.attach(sock, PlainStream(sock))
        connection.start(self.runtime.bind(route))

    def _start(
        self,
        downstream: Downstream | Http2Downstream,
        sock: socket.socket,
        stream: Stream,
        first: bytes,
    ) -> None:
        self.accepted += 1
        downstream.attach(sock, stream)
        downstream.start()
        if first:
            downstream.data_received(first)

    def hsts_for(self, head: RequestHead, claims: Claims) -> bytes:
        """Return the line Strict-Transport-Security of the answer to a request; see `hsts_of`."""
        return self.hsts_of(head.authority.host, is_secure=claims.is_secure)

    def hsts_of(self, host: bytes, *, is_secure: bool) -> bytes:
        """Return that line for *host*; it is due by TLS, and on TLS hosts, else it is empty."""
        if self.hsts_line and is_secure and self.runtime.active.tls_hosts.covers(host):
            return self.hsts_line
        return b""

    def record(self, recorder: Recorder | None) -> None:
        """Tell *recorder* of requests from now on; None: nobody."""
        self.access = recorder
        if recorder is not None:
            for connection in self.connections:
                connection.describe()

    def count_reply(
        self,
        reason: ReplyReason,
        size: int = 0,
        *,
        exchange: Exchange | None = None,
        asked: Asked | None = None,
    ) -> None:
        """
        Count a reply of our own by its reason, and for an Ingress if it answers a request of one.

        Args:
            reason: Why we answer ourselves.
            size: Of the reply, in bytes.
            exchange: The exchange that it ends.
            asked: Without an exchange, the request that it answers, if it is one.
        """
        self.replies[reason.code] += 1
        if exchange is not None:
            cells, method = exchange.state.cells, exchange.method
            seconds = self.seconds() - exchange.begun
        elif asked is not None and asked.bound is not None:
            cells, method, seconds = asked.bound.cells, asked.method, 0.0
        else:
            return
        cells.count(method, reason.status // 100, seconds)
        cells.bytes_out += size

    def release_descriptor(self) -> None:
        """Give up what is idle, because the process has no descriptor left."""
        self.pipes.close_idle()
        self.make_room()

    def make_room(self) -> bool:
        """Close one idle connection, because there is no place for another; False for none."""
        for connection in self.connections:
            if connection.is_idle and not connection.has_output:
                connection.close()
                return True
        return False

    def drain(self, drained: Callable[[], None]) -> None:
        """
        Finish what runs and end everything idle; *drained* is called when nothing is left.

        Listeners are the caller's: they have stopped before.
        """
        self.is_draining = self.answers_are_last = True
        self._drained = drained
        for connection in tuple(self.connections):
            connection.drain()
        self._tell_drained()

    def cut(self) -> None:
        """Abort what is still under way."""
        for connection in tuple(self.connections):
            connection.cut("drain_timeout")

    def forget(self, connection: ClientConnection) -> None:
        """Strike a closed connection off the list."""
        self.connections.discard(connection)
        self.places.rise(connection.peer.address)
        if self._drained is not None:
            self._tell_drained()

    def _tell_drained(self) -> None:
        if self._drained is not None and not self.connections:
            drained, self._drained = self._drained, None
            drained()
