"""
The endpoint's answer on its way to the client: interim heads, the head, the body, the trailers.

Whoever reads the endpoint's wire drives it; what it says reaches the client's side as values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.errors import ResponseError
from fsm_twisted.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.proxy.exchange import Exchange

MAX_INTERIM_ANSWERS = 16
SWITCHING = 101


class Response:
    """
    What of an answer has come so far.

    ``has_begun`` says whether its final head has gone to the client: from then on a failure can
    only be told by breaking the answer off (RFC 9112 section 8, RFC 9113 section 8.1).
    """

    __slots__ = ("_exchange", "_interim", "_status_class", "has_begun")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._interim = 0
        self._status_class = 0
        self.has_begun = False

    def interim(self, head: ResponseHead) -> None:
        """
        Pass on an answer of 1xx but 101.

        Raises:
            ResponseError: There have been too many.
        """
        self._interim += 1
        if self._interim > MAX_INTERIM_ANSWERS:
            raise ResponseError("too many interim answers")
        self._exchange.downstream.answer_interim(head)
        self._exchange.expect_answer()

    def begin(
        self, head: ResponseHead, payload: bytes, *, ended: bool, trailers: Fields = ()
    ) -> None:
        """
        Pass on the final head, with what has come of the body; `finish` follows an end.

        Raises:
            ResponseError: It is no answer to what has been asked.
        """
        exchange = self._exchange
        exchange.status = head.status
        self._status_class = head.status // 100
        self.has_begun = True
        exchange.downstream.answer_head(head, payload, ended=ended, trailers=trailers)
        if not ended and exchange.upstream is not None:
            exchange.downstream.register_producer(exchange.upstream)

    def data(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Pass on more of the body; `finish` follows an end."""
        exchange = self._exchange
        if payload or ended:
            exchange.downstream.answer_body(payload, ended=ended, trailers=trailers)
        if not ended and exchange.upstream is not None:
            exchange.expect_answer()

    def finish(self, *, is_reusable: bool) -> None:
        """End well; *is_reusable* is as in `Exchange.finish`."""
        exchange = self._exchange
        exchange.downstream.unregister_producer()
        exchange.finish(self._status_class, is_reusable=is_reusable)

    def fail(self) -> None:
        """End because what the endpoint sends is not valid."""
        self._exchange.fail()

    def lost(self) -> None:
        """End because the endpoint's connection has failed in the middle of its answer."""
        if self.has_begun:
            self._exchange.note_failure()
            self._exchange.cut("upstream_closed")
        else:
            self._exchange.fail()

    def switch(self, head: ResponseHead, data: bytes) -> None:
        """
        Become a tunnel, when that is what the client has asked for.

        Args:
            head: A 101.
            data: The first bytes of the tunnel.

        Raises:
            ResponseError: Nobody has asked for this.
        """
        exchange = self._exchange
        downstream, upstream = exchange.downstream, exchange.upstream
        if (
            upstream is None
            or not head.upgrade
            or exchange.head is None
            or head.upgrade != exchange.head.upgrade
        ):
            raise ResponseError("101 without a matching upgrade")
        exchange.status = SWITCHING
        exchange.state.cells.count_switch(exchange.method)
        upstream.unregister_producer()
        exchange.upstream = None
        downstream.exchange = upstream.exchange = None
        tunnel = Tunnel(exchange, upstream, exchange.plane.options.tunnel_seconds)
        downstream.tunnel = upstream.tunnel = tunnel
        downstream.begin_tunnel(head, data)
