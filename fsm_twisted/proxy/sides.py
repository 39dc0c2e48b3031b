"""
What an exchange asks of its two sides, whatever version of HTTP each of them speaks.

A side is told values (heads, payload, trailers) and knows itself how they look on its wire. It
calls the exchange, the exchange calls it; neither side ever sees the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fsm_twisted.net.stream import Producer

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import ResponseHead
    from fsm_twisted.net.descriptor import Descriptor
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.record import Asked
    from fsm_twisted.proxy.tunnel import Tunnel
    from fsm_twisted.snapshot.reasons import ReplyReason


class Side(Producer, Protocol):
    """
    One of the two sides: paused when the other takes no more, and able to pause its own producer.

    The last four methods are asked by a `Tunnel` only.
    """

    deadline: float
    tunnel: Tunnel | None

    @property
    def plain_connection(self) -> Descriptor | None:
        """The connection, where the bytes of a body of known length go through it as they are."""

    @property
    def output_has_failed(self) -> bool:
        """Whether the peer takes no more."""

    def register_producer(self, producer: Producer) -> None:
        """Pause *producer* whenever too much waits to be sent here; one at a time."""

    def unregister_producer(self) -> None:
        """Forget the producer; one that was paused goes on."""

    def write(self, data: bytes) -> None:
        """Send bytes of a tunnel."""

    def finish(self) -> None:
        """Send what waits, then end our output; `Tunnel.output_ended` is told of it."""

    def output_ended(self) -> None:
        """Do what follows when the output has ended."""

    def close(self) -> None:
        """Close now."""


class ServedSide(Side, Protocol):
    """
    A client's side: it has an exchange, or is a tunnel, or neither.

    Attributes:
        exchange: The one being served.
    """

    exchange: Exchange | None


def tell_gone(side: ServedSide) -> None:
    """Tell whatever *side* serves, once, that the client is gone."""
    exchange, side.exchange = side.exchange, None
    tunnel, side.tunnel = side.tunnel, None
    if exchange is not None:
        exchange.client_gone()
    if tunnel is not None:
        tunnel.closed(side)


class ClientSide(ServedSide, Protocol):
    """
    Who has asked: an HTTP/1 connection, or a stream of an HTTP/2 one.

    It makes an `Exchange` and sets it going by `Exchange.attempt`, hands it the body by
    `Exchange.request_data`, and tells of a client that is gone or slow. What it sends of an
    answer it adds to the exchange's account, by `Account.note_output`.

    Attributes:
        asked: A request that is answered by us, while that is being written down.
    """

    asked: Asked | None

    @property
    def note(self) -> bytes:
        """What the access log says of the client."""

    @property
    def plane(self) -> DataPlane:
        """What all connections share."""

    def answer_interim(self, head: ResponseHead) -> None:
        """Pass on an interim answer; a client that cannot take any gets none."""

    def answer_head(
        self, head: ResponseHead, payload: bytes, *, ended: bool, trailers: Fields = ()
    ) -> None:
        """
        Begin the final answer.

        Args:
            head: As the endpoint has sent it; how the client finds the end is our matter.
            payload: The beginning of the body, perhaps empty.
            ended: Whether that is all of it.
            trailers: What follows the body, if it has ended.
        """

    def answer_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Go on with the answer; *payload* may be empty, *trailers* come with its end only."""

    def reply(self, reason: ReplyReason, fields: bytes = b"", *, ends: bool = False) -> None:
        """
        Answer ourselves; this ends the exchange, if there is one.

        Args:
            reason: Status, text and code.
            fields: Further field lines, each ending in CRLF.
            ends: Nothing that the client has sent behind this request can be understood.
        """

    def abort(self) -> None:
        """Break the answer off, so that nobody can take it for whole; `client_gone` follows."""

    def exchange_ended(self, *, ends: bool) -> None:
        """Go on after an answer; *ends* is as in `reply`."""

    def begin_tunnel(self, head: ResponseHead, data: bytes) -> None:
        """Tell the client of its tunnel (`tunnel` is set), pass *data*, and read on."""


class EndpointSide(Side, Protocol):
    """
    Who is asked: an HTTP/1 connection, or a stream of an HTTP/2 one.

    It tells the exchange `connected`, `upstream_gone`, `response_timed_out`, `overloaded`, and
    drives the `Response` of the exchange: interim, begin, data, switch, fail, lost.
    """

    exchange: Exchange | None

    @property
    def endpoint(self) -> EndpointState:
        """Whom it leads to."""

    @property
    def is_connecting(self) -> bool:
        """Whether nothing can have been sent yet."""

    @property
    def is_fresh(self) -> bool:
        """Whether this is the connection's first exchange."""

    @property
    def has_output(self) -> bool:
        """Whether something waits to be sent."""

    @property
    def connect_failure(self) -> ReplyReason:
        """What the request is answered with when the connection has not come about."""

    @property
    def close_failure(self) -> ReplyReason:
        """What it is answered with when the connection has ended before an answer."""

    def connect(self, seconds: float) -> None:
        """Begin to reach the endpoint, for so long; the exchange learns the outcome."""

    def send_request(self, exchange: Exchange) -> int:
        """Send head, and all that there is of the body; return the number of bytes."""

    def send_body(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> int:
        """Send more of the body, or its end; return the number of bytes."""

    def release(self, now: float) -> None:
        """Be free for others at the time *now*; the exchange is over and both sides are clean."""

    def discard(self) -> None:
        """End without telling the exchange, which has finished with this connection."""
