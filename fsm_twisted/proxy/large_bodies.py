"""The rest of a large body of known length goes from socket to socket, where both are plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

from fsm_twisted.http1.reader import BodyReader, SizedReader
from fsm_twisted.net.splice import LARGE_BYTES, Splice

if TYPE_CHECKING:
    from fsm_twisted.net.descriptor import Descriptor
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.upstream import UpstreamConnection


def splice_answer(
    exchange: Exchange, upstream: UpstreamConnection, body: BodyReader, done: Callable[[], None]
) -> None:
    """
    Splice what is to come of an answer, if that is worth it; *done* is called at its end.

    Args:
        exchange: Whose client gets it; the head has gone to them.
        upstream: Whose input it is.
        body: Reads it; it learns of what has gone past.
        done: Not called when something breaks before.
    """
    client = exchange.downstream.plain_connection
    if client is None or upstream.plain_connection is None or not _is_large(body):
        return
    sized = body

    def moved(count: int) -> None:
        exchange.note_output(count)
        sized.passed(count)
        if upstream.is_reading:
            exchange.expect_answer()

    Splice(exchange.plane.pipes, upstream, client, moved, size=sized.left, done=done)


def splice_request(
    exchange: Exchange, client: Descriptor, body: BodyReader, done: Callable[[], None]
) -> None:
    """Splice what is to come of a request, as `splice_answer`, once it is kept no more."""
    upstream, kept = exchange.upstream, exchange.body
    if upstream is None or upstream.is_connecting or kept is None or kept.kept is not None:
        return  # what has been sent may have to be sent once more
    target = upstream.plain_connection
    if target is None or client.plain_connection is None or not _is_large(body):
        return
    plane, sized = exchange.plane, body

    def moved(count: int) -> None:
        exchange.bytes_in += count
        exchange.state.cells.bytes_in += count
        sized.passed(count)
        client.deadline = plane.seconds() + plane.options.body_seconds
        exchange.expect_answer()

    Splice(plane.pipes, client, target, moved, size=sized.left, done=done)


def _is_large(body: BodyReader) -> TypeGuard[SizedReader]:
    return isinstance(body, SizedReader) and body.left >= LARGE_BYTES
