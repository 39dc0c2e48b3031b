"""The client's side: requests are read one after the other and answered in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.grammar import parse_request_head
from fsm_twisted.http1.reader import BodyReader, HeadReader, body_reader
from fsm_twisted.http1.writer import write_response_head
from fsm_twisted.message.framing import is_empty
from fsm_twisted.proxy.admission import LocalReply, admit
from fsm_twisted.proxy.client import Peer, claims_of
from fsm_twisted.proxy.http1_exchange import Http1Exchange
from fsm_twisted.proxy.http1_output import Http1Output
from fsm_twisted.proxy.http1_usual import usual_exchange
from fsm_twisted.proxy.large_bodies import splice_request
from fsm_twisted.proxy.record import Asked, note_of_peer
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead, ResponseHead
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane

# Input that may wait while a request is being served (pipelining); then the client must wait.
WAITING_BYTES = 64 * 1024


class Downstream(Http1Output):
    """
    A client's HTTP/1 connection, which is the client's side of its exchanges (`sides`).

    It is reading a head, or has an exchange, or is a tunnel, or lingers: we have ended our output
    and discard input until the client has seen it (RFC 9112 section 9.6).
    """

    __slots__ = (
        "_body",
        "_ends_after_reply",
        "_heads",
        "_is_between",
        "_is_serving",
    )

    def __init__(self, plane: DataPlane, peer: Peer) -> None:
        super().__init__(plane, peer)
        self._body: BodyReader | None = None  # of the request being served, while incomplete
        self._heads = HeadReader(plane.options.limits)
        self._is_serving = False
        self._is_between = True  # two requests, with nothing of the next one here
        self._ends_after_reply = False

    def start(self) -> None:
        """Begin to read; the first head has its time limit from now on."""
        self.plane.connections.add(self)
        if self.plane.access is not None:
            self.describe()
        self.plane.sweep.add(self)
        self.deadline = self.plane.seconds() + self.plane.options.header_seconds
        self.resumeProducing()

    def describe(self) -> None:
        """Make the note of the client that records of its requests have."""
        self.note = note_of_peer(self.peer, self._stream)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived since the last answer."""
        return self.exchange is None and self.tunnel is None and not self._heads.pending

    # Input

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to whom they belong: body, tunnel, or the next head."""
        if self._is_between and (usual := usual_exchange(self, data)) is not None:
            self._is_between = False
            self.deadline = _NEVER
            self.exchange = usual
            usual.attempt()
        elif (exchange := self.exchange) is not None:
            if self._body is not None:
                self._take_body(exchange, self._body, data)
            else:
                self._hold(data)
        elif self.tunnel is not None:
            self.tunnel.data(self, data)
        elif self._lingers:
            self.lingered(data)
        else:
            self._input = self._input + data if self._input else data
            self._serve()

    def _take_body(self, exchange: Exchange, body: BodyReader, data: bytes) -> None:
        """Hand on what has come of the request's body."""
        exchange.bytes_in += len(data)
        try:
            payload = body.feed(data)
        except RequestError as error:
            exchange.answer(error.reason)
            return
        if not body.done:
            self.deadline = self.plane.seconds() + self.plane.options.body_seconds
            exchange.request_data(payload, ended=False)
            if exchange is self.exchange:
                splice_request(exchange, self, body, self._body_has_passed)
            return
        self._body = None
        if not self.has_output:
            self.deadline = _NEVER
        if body.rest:
            self._hold(body.rest)
        exchange.request_data(payload, ended=True)

    def _body_has_passed(self) -> None:
        self._body = None
        if self.exchange is not None:
            self.exchange.request_data(b"", ended=True)

    def _hold(self, data: bytes) -> None:
        """Keep input of a later request until this one is answered."""
        self._input += data
        if len(self._input) > WAITING_BYTES:
            self.pauseProducing()

    def _serve(self) -> None:
        """Serve what has arrived, request by request, until one has to wait for an endpoint."""
        if self._is_serving:
            return
        self._is_serving = True
        try:
            while self._input and self.exchange is None and not self._ends_after_reply:
                if self.tunnel is not None or self.is_closed or self.is_full:
                    break
                if not self._read_head():
                    break
        finally:
            self._is_serving = False

    def _read_head(self) -> bool:
        """Read one head and act upon it; False when more input is needed."""
        data, self._input = self._input, b""
        self._is_between = False
        heads = self._heads
        was_pending = heads.pending
        try:
            block = heads.feed(data)
            if block is None:
                if not was_pending:
                    self.deadline = self.plane.seconds() + self.plane.options.header_seconds
                return False
            self._input = heads.take_rest()
            head = parse_request_head(block, self.plane.options.limits)
        except RequestError as error:
            self.reply(error.reason, ends=True)
            return True
        self._begin(head, len(block))
        return True

    def _begin(self, head: RequestHead, size: int) -> None:
        plane = self.plane
        identity = plane.next_request_id()
        claims = claims_of(self.peer, head, identity, plane.trusted_proxies)
        active, options = plane.runtime.active, plane.options
        decision = admit(head, active, options, self.peer, is_secure=claims.is_secure)
        if isinstance(decision, LocalReply):
            self.asked = Asked(head, claims, decision.bound, size)
            fields = decision.fields + plane.hsts_for(head, claims)
            ends = decision.ends or not is_empty(head.framing)
            self.reply(decision.reason, fields, ends=ends)
            return
        body = None
        if not is_empty(head.framing):
            limit = decision.bound.body_limit_bytes
            try:
                body = body_reader(head.framing, limit=limit, limits=plane.options.limits)
            except RequestError as error:  # it is over its limit, and says so
                self.asked = Asked(head, claims, decision.bound, size)
                self.reply(error.reason, plane.hsts_for(head, claims), ends=True)
                return
        self._start(Http1Exchange.of_head(self, decision, claims), body, size)

    def _start(self, exchange: Exchange, body: BodyReader | None, size: int) -> None:
        """Send a request on its way, with what of its body has arrived with the head."""
        self.exchange = exchange
        exchange.bytes_in = size
        self.deadline = _NEVER
        if body is not None:
            self._body = body
            self.deadline = self.plane.seconds() + self.plane.options.body_seconds
            data, self._input = self._input, b""
            if data:
                self._take_body(exchange, body, data)
        if self.exchange is exchange:
            exchange.attempt()

    def begin_tunnel(self, head: ResponseHead, data: bytes) -> None:
        """Tell the client; pass on what it has sent behind its upgrade, and read on."""
        tunnel = self.tunnel
        if tunnel is not None:
            first = write_response_head(head, b"")
            tunnel.begun(len(first), len(data))
            self.write(first + data)
            self.begin(tunnel)

    def input_ended(self) -> None:
        """Learn that the client sends no more; it may still wait for its answer."""
        self._input_has_ended = True
        if self.exchange is not None:
            if self._body is not None:
                self.abort()  # in the middle of it, nothing can be made of that
        elif self.tunnel is not None:
            self.tunnel.input_ended(self)
        elif self._lingers or not self.has_output:
            self.close()
        else:
            self.finish()

    # Between requests

    def exchange_ended(self, *, ends: bool) -> None:
        """Go on to the next request, or end the connection."""
        self.exchange = self._body = None
        ends, self._ends = ends or self._ends, False
        if ends or self._is_over():
            self._end()
            return
        self.deadline = self.plane.seconds() + self.plane.options.idle_seconds
        if self._input:
            self._serve()
        else:
            self._is_between = not self._heads.pending
        self._read_on()

    def usual_ended(self, now: float) -> None:
        """Go on after a usual exchange that has ended at the time *now*."""
        if self._input or self._input_has_ended or self._out is not None:
            self.exchange_ended(ends=False)
            return
        self.exchange = None
        self._is_between = True
        self.deadline = now + self.plane.options.idle_seconds
        if not self._reading:
            self.resumeProducing()

    def _is_over(self) -> bool:
        """Whether no request is here, nor is one to come; when draining, none is."""
        if self._input:
            return False
        return self._input_has_ended or (self.plane.is_draining and not self._heads.pending)

    def _end(self) -> None:
        self._ends_after_reply = True
        self._is_between = False
        self.finish()

    def _read_on(self) -> None:
        """Want more input, unless a request is being served or there will be none."""
        if self.exchange is not None or self._ends_after_reply:
            return
        if self._is_over():
            self._end()
        elif self.is_full:
            self.pauseProducing()  # answers that nobody reads may not pile up
        else:
            self.resumeProducing()

    def output_drained(self) -> None:
        """Stop the clock that ran while output waited; serve what waited for room."""
        if self.exchange is not None and self._body is None:
            self.deadline = _NEVER
        elif self.tunnel is not None:
            self.tunnel.keep_alive()
        elif self.exchange is None and not self._lingers:
            self.deadline = self.plane.seconds() + self.plane.options.idle_seconds
            self._serve()
            self._read_on()

    # The end

    def expired(self) -> None:
        """Give up a client that is silent, with 408 where it has begun a request."""
        self.deadline = _NEVER
        if self.exchange is not None:
            self.exchange.request_timed_out()
        elif self.tunnel is not None or self._lingers or self.has_output:
            self.give_up()
        elif self._heads.pending:
            self.reply(REPLIES["request_timeout"], ends=True)
        else:
            self.close()

    def drain(self) -> None:
        """End the connection as soon as it is idle; a request that has arrived is served."""
        if self.is_idle and not self._lingers:
            self._read_pending()
        if self.is_idle and not self._lingers and not self.has_output:
            self.close()

    def closed(self) -> None:
        """Tell whoever is on the other side, once."""
        self._body = None
        super().closed()


_NEVER = float("inf")
