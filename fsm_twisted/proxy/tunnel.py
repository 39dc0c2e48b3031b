"""An upgraded connection: bytes both ways, with back-pressure and half-close, until both end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fsm_twisted.net.splice import BULK_BYTES, Splice
from fsm_twisted.observe.access import UNOPENED

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.sides import EndpointSide, Side


class Tunnel:
    """
    The two sides of a tunnel.

    Args:
        exchange: What it was.
        upstream: The endpoint's side.
        seconds: Longest silence of both sides.
    """

    __slots__ = (
        "_downstream",
        "_ended",
        "_exchange",
        "_is_over",
        "_kind",
        "_seconds",
        "_upstream",
    )

    def __init__(self, exchange: Exchange, upstream: EndpointSide, seconds: float) -> None:
        self._exchange = exchange
        self._downstream = downstream = exchange.downstream
        self._upstream = upstream
        self._seconds = seconds
        self._is_over = False
        self._ended: set[Side] = set()
        self._kind = "passthrough" if exchange.minor == UNOPENED else "upgrade"
        exchange.plane.tunnels[self._kind] += 1
        downstream.register_producer(upstream)
        upstream.register_producer(downstream)
        self.keep_alive()

    @property
    def asked(self) -> RequestHead | None:
        """What the client has asked for it with."""
        return self._exchange.head

    def keep_alive(self) -> None:
        """Begin to count silence anew: bytes have moved."""
        deadline = self._exchange.plane.seconds() + self._seconds
        self._downstream.deadline = self._upstream.deadline = deadline

    def begun(self, head_bytes: int, first_bytes: int) -> None:
        """Note the sizes of the answer's head, and of what the endpoint has sent behind it."""
        exchange = self._exchange
        exchange.head_bytes_out = exchange.bytes_out + head_bytes
        exchange.note_output(head_bytes + first_bytes)

    def _other(self, side: Side) -> Side:
        return self._upstream if side is self._downstream else self._downstream

    def data(self, side: Side, data: bytes) -> None:
        """Pass on what *side* has sent."""
        other = self._other(side)
        other.write(data)
        self._moved(side, len(data))
        if len(data) >= BULK_BYTES:
            source, target = side.plain_connection, other.plain_connection
            if source is not None and target is not None:
                Splice(self._exchange.plane.pipes, source, target, partial(self._moved, side))

    def _moved(self, side: Side, size: int) -> None:
        exchange, cells = self._exchange, self._exchange.state.cells
        if side is self._downstream:
            exchange.bytes_in += size
            cells.bytes_in += size
        else:
            exchange.bytes_out += size
            cells.bytes_out += size
        self.keep_alive()

    def input_ended(self, side: Side) -> None:
        """Pass on the end of one direction; the other may go on, unless it is known to be dead."""
        if side.output_has_failed:
            side.close()
        else:
            self._other(side).finish()

    def output_ended(self, side: Side) -> None:
        """Close both when both directions have ended."""
        self._ended.add(side)
        if len(self._ended) == 2:  # noqa: PLR2004  both sides
            self._downstream.close()
            self._upstream.close()

    def closed(self, side: Side) -> None:
        """Close the other side as well, after what is still to be sent."""
        if self._is_over:
            return
        self._is_over = True
        downstream, upstream = self._downstream, self._upstream
        upstream.endpoint.in_flight -= 1
        plane = self._exchange.plane
        plane.tunnels[self._kind] -= 1
        if plane.access is not None:
            plane.access.passed(self._exchange, plane.seconds())
        downstream.tunnel = upstream.tunnel = None
        if side is upstream:
            downstream.unregister_producer()
            if downstream in self._ended:
                downstream.output_ended()  # nothing is left to be sent
            else:
                downstream.exchange_ended(ends=True)
            return
        upstream.unregister_producer()
        upstream.deadline = plane.seconds() + plane.options.body_seconds
        if upstream in self._ended:
            upstream.close()
        else:
            upstream.finish()
