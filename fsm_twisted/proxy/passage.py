"""A TLS connection that goes through unopened: what an exchange is to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fsm_twisted.observe.access import UNOPENED
from fsm_twisted.proxy.exchange import Exchange
from fsm_twisted.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from fsm_twisted.proxy.passed import PassedConnection
    from fsm_twisted.proxy.runtime import BoundRoute, UpstreamState
    from fsm_twisted.proxy.sides import ClientSide, EndpointSide
    from fsm_twisted.snapshot.reasons import ReplyReason

_CONNECTED = 200  # what nginx's stream module logs of a session that came about


class Passage(Exchange):
    """
    An exchange whose request is the connection itself, and whose answer is a tunnel.

    It has to find an endpoint that accepts a connection, as every exchange; not a byte has been
    sent before, so any other endpoint may be tried. Pools are not for it: those connections have
    spoken HTTP, or may.

    Args:
        connection: The client's.
        bound: Where its server name leads.
        state: The upstream of that.
    """

    minor = UNOPENED

    def __init__(
        self, connection: PassedConnection, bound: BoundRoute, state: UpstreamState
    ) -> None:
        make_key = state.key_of
        key = b"" if make_key is None else make_key(connection.peer.address, b"", ())
        self._connection = connection
        # Of a client's side it is asked for replies, its end and the tunnel only.
        super().__init__(cast("ClientSide", connection), state, b"", b"", key)
        self.bound = bound

    def attempt(self) -> None:
        """Take the next endpoint, and connect to it."""
        endpoint = self.attempts.next()
        if endpoint is None:
            self.answer(self._failure)
            return
        endpoint.in_flight += 1
        self.upstream = upstream = endpoint.connection(self.plane, self)
        upstream.connect(self.state.connect_seconds)

    def connected(self, upstream: EndpointSide) -> None:
        """Become a tunnel."""
        connection, endpoint = self._connection, upstream.endpoint
        self.sent = self.plane.seconds()
        self.status = _CONNECTED
        if endpoint.has_failed:
            endpoint.succeeded()
        self.state.cells.count_passed("ok")
        self.upstream = upstream.exchange = connection.exchange = None
        tunnel = Tunnel(self, upstream, self.plane.options.tunnel_seconds)
        connection.tunnel = upstream.tunnel = tunnel
        connection.begin(tunnel)

    def expect_answer(self) -> None:
        """Nothing is due: the time of a tunnel is its own."""

    def _count_cut(self) -> None:
        self.state.cells.count_passed(self.cut_reason.decode("ascii"))

    def answer(self, reason: ReplyReason) -> None:
        """End, because no endpoint has accepted a connection."""
        self._leave_upstream()
        self.state.cells.count_passed(reason.code)
        self.downstream.reply(reason)
