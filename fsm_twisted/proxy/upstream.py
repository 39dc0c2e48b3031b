"""The endpoint's side: one connection, idle in its pool or serving one exchange at a time."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from twisted.internet import main

from fsm_twisted.http1.reader import ResponseHeadReader
from fsm_twisted.http1.writer import write_chunk, write_last_chunk
from fsm_twisted.proxy.dialled import Dialled
from fsm_twisted.proxy.http1_answer import AnswerReader
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.tunnel import Tunnel

_NEVER = float("inf")


class UpstreamConnection(Dialled):
    """
    An HTTP/1 connection to an endpoint, which is the endpoint's side of an exchange (`sides`).

    It connects, then serves its exchange, then waits in the endpoint's pool, still registered for
    reading: an end of input or a stray byte removes it at once, so it is never used again.
    """

    __slots__ = (
        "_is_chunked",
        "answer",
        "endpoint",
        "exchange",
        "heads",
        "is_connecting",
        "is_fresh",
        "plane",
        "pool",
        "tunnel",
    )

    # What a request is answered with: without a connection, and without a word on it.
    connect_failure = REPLIES["connect_failed"]
    close_failure = REPLIES["upstream_closed"]

    def __init__(self, plane: DataPlane, endpoint: EndpointState, exchange: Exchange) -> None:
        super().__init__(plane.loop)
        self.plane = plane
        self.endpoint = endpoint
        self.pool = endpoint.idle
        self.exchange: Exchange | None = exchange
        self.tunnel: Tunnel | None = None
        self.heads = ResponseHeadReader(plane.options.limits)
        self.answer: AnswerReader | None = None
        self.is_fresh = True
        self._is_chunked = False
        self.is_connecting = True

    def ready(self) -> Exception | None:
        """Tell the exchange, if it still waits."""
        self.is_connecting = False
        if self.exchange is None:
            return main.CONNECTION_DONE
        self.exchange.connected(self)
        return None

    def overloaded(self) -> None:
        """Tell the exchange, if it still waits."""
        if self.exchange is not None:
            self.exchange.overloaded(self)

    def is_alive(self) -> bool:
        """Ask the kernel whether an idle connection still stands, with nothing to be read."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    # Output

    def send_request(self, exchange: Exchange) -> int:
        """Send head, and all that there is of the body; return the number of bytes."""
        data, body = exchange.head_bytes, exchange.body
        if body is None:
            self.write_soon(data)
            return len(data)
        self._is_chunked = body.is_chunked
        parts = map(self._encoded, body.kept or ())
        data = b"".join((data, *parts))
        if body.is_whole and body.is_chunked:
            data += write_last_chunk(body.trailers)
        self.write(data)
        return len(data)

    def send_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> int:
        """Send more of the body, or its end; return the number of bytes."""
        data = self._encoded(payload)
        if ended and self._is_chunked:
            data += write_last_chunk(trailers)
        if data:
            self.write(data)
        return len(data)

    def _encoded(self, payload: bytes) -> bytes:
        return write_chunk(payload) if self._is_chunked else payload

    # Input

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the exchange; on an idle connection nobody has asked for any."""
        exchange = self.exchange
        if exchange is not None:
            answer = self.answer
            if answer is None:
                if self._soon:  # it has answered before it was asked
                    exchange.closed_before_answer()
                    return
                if exchange.is_usual and self._out is None and exchange.pass_usual(data):
                    return
                self.answer = answer = AnswerReader(exchange, self)
            answer.data(data)
        elif self.tunnel is not None:
            self.tunnel.data(self, data)
        else:
            self.close()

    def input_ended(self) -> None:
        """Learn that the endpoint sends no more."""
        if self.exchange is not None:
            if self.answer is None:
                self.exchange.closed_before_answer()
            else:
                self.answer.ended()
        elif self.tunnel is not None:
            self.tunnel.input_ended(self)
        else:
            self.close()

    def output_failed(self) -> None:
        """Keep reading: an endpoint may have answered before it stopped listening."""
        self.resumeProducing()

    def output_ended(self) -> None:
        """Half-close is for tunnels; everything else is closed whole."""
        if self.tunnel is not None:
            self.tunnel.output_ended(self)
        else:
            self.close()

    def output_progressed(self) -> None:
        """Give the endpoint time for the rest."""
        if self.exchange is not None:
            self.exchange.expect_answer()

    output_drained = output_progressed

    def pauseProducing(self) -> None:
        """Wait for the client; its slowness is not the endpoint's silence."""
        super().pauseProducing()
        self.deadline = _NEVER

    def resumeProducing(self) -> None:
        """Read again, and expect something in time."""
        super().resumeProducing()
        if self.exchange is not None:
            self.exchange.expect_answer()

    # The end

    def release(self, now: float) -> None:
        """Go back to the pool at the time *now*; the exchange is over and both sides are clean."""
        self.exchange = None
        endpoint = self.endpoint
        idle = self.pool
        if endpoint.is_retired or len(idle) >= self.plane.options.pool_size:
            self.close()
            return
        self.is_fresh = False
        self.deadline = now + self.plane.options.pool_idle_seconds
        idle.append(self)
        if not self._reading:
            self.resumeProducing()

    def discard(self) -> None:
        """Close without telling the exchange, which has finished with this connection."""
        self.exchange = None
        self.abort()

    def expired(self) -> None:
        """Give up a connection that is not accepted, an endpoint that is silent, an idle one."""
        self.deadline = _NEVER
        if self.exchange is not None:
            self.exchange.response_timed_out()
        else:
            self.close()

    def closed(self) -> None:
        """Tell whoever is on the other side, once."""
        self.plane.sweep.discard(self)
        self.answer = None  # else each would keep the other until the collector comes
        exchange, self.exchange = self.exchange, None
        tunnel, self.tunnel = self.tunnel, None
        if exchange is not None:
            exchange.upstream_gone(self)
        elif tunnel is not None:
            tunnel.closed(self)
        elif self in self.pool:
            self.pool.remove(self)
