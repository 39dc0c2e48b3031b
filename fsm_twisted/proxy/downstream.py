"""The client's side: requests are read one after the other and answered in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.grammar import parse_request_head
from fsm_twisted.http1.reader import HeadReader
from fsm_twisted.http1.usual import usual_request
from fsm_twisted.message.authority import AuthorityError
from fsm_twisted.message.framing import is_empty
from fsm_twisted.net.descriptor import Descriptor
from fsm_twisted.proxy.admission import LocalReply, admit
from fsm_twisted.proxy.client import Claims, Peer, claims_of_trusted, claims_of_untrusted
from fsm_twisted.proxy.exchange import Exchange
from fsm_twisted.proxy.record import Asked, note_of_peer
from fsm_twisted.proxy.replies import reply_bytes
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.tunnel import Tunnel

# Input that may wait while a request is being served (pipelining); then the client must wait.
WAITING_BYTES = 64 * 1024
LINGER_SECONDS = 2.0  # of silence
MOST_LINGER_SECONDS = 30.0
LINGER_BYTES = 16 * 1024 * 1024


class Downstream(Descriptor):
    """
    A client connection.

    It is reading a head, or has an exchange, or is a tunnel, or lingers: we have ended our output
    and discard input until the client has seen it (RFC 9112 section 9.6).
    """

    __slots__ = (
        "_ends_after_reply",
        "_heads",
        "_input",
        "_input_has_ended",
        "_is_between",
        "_is_serving",
        "_linger_end",
        "_lingered_bytes",
        "_lingers",
        "asked",
        "exchange",
        "note",
        "peer",
        "plane",
        "tunnel",
    )

    def __init__(self, plane: DataPlane, peer: Peer) -> None:
        super().__init__(plane.loop)
        self.plane = plane
        self.peer = peer
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.asked: Asked | None = None
        self.note = b""
        self._heads = HeadReader(plane.options.limits)
        self._input = b""
        self._input_has_ended = False
        self._is_serving = False
        self._is_between = True  # two requests, with nothing of the next one here
        self._ends_after_reply = False
        self._lingers = False
        self._lingered_bytes = 0
        self._linger_end = _NEVER

    def start(self) -> None:
        """Begin to read; the first head has its time limit from now on."""
        self.plane.connections.add(self)
        if self.plane.access is not None:
            self.note = note_of_peer(self.peer, self._stream)
        self.plane.sweep.add(self)
        self.deadline = self.plane.seconds() + self.plane.options.header_seconds
        self.resumeProducing()

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived since the last answer."""
        return self.exchange is None and self.tunnel is None and not self._heads.pending

    # Input

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to whom they belong: body, tunnel, or the next head."""
        exchange = self.exchange
        if exchange is not None:
            if exchange.request_body is not None:
                exchange.request_data(data)
            else:
                self.hold(data)
        elif self.tunnel is not None:
            self.tunnel.data(self, data)
        elif self._lingers:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > LINGER_BYTES:
                self.close()
            else:
                silence_end = self.plane.seconds() + LINGER_SECONDS
                self.deadline = min(silence_end, self._linger_end)
        elif not (self._is_between and self._take_usual(data)):
            self._input = self._input + data if self._input else data
            self._serve()

    def _take_usual(self, data: bytes) -> bool:
        """
        Take the straight road with one usual request, whole and alone in one read.

        False when anything about it is unusual: `_serve` then finds out what it is.
        """
        plane = self.plane
        found = usual_request(data, plane.options.limits)
        if found is None:
            return False
        method, target, path, authority, begin, end = found
        active = plane.runtime.active
        known = active.hosts.get(authority)
        if known is None:
            try:
                known = active.host_of(authority)
            except AuthorityError:
                return False
        host, is_tls_host = known
        if is_tls_host and not self.peer.is_secure and plane.redirects:
            return False
        bound = active.router.match(host, path)
        if bound is None or bound.usual is None or self.peer.is_trusted:
            return False
        own = _OWN % (authority, plane.next_request_id())
        head = b"".join((data[:begin], data[end:-2], self.peer.fields, own))
        self._is_between = False
        self.deadline = _NEVER
        make_key = bound.usual.key_of
        key = b"" if make_key is None else make_key(self.peer.address, target, ())
        self.exchange = exchange = Exchange(self, bound.usual, method, head, key)
        if plane.access is not None:
            exchange.bound, exchange.bytes_in = bound, len(data)
        exchange.attempt()
        return True

    def hold(self, data: bytes) -> None:
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
        claims = self._claims(head)
        decision = admit(head, plane.runtime.active, plane.options, is_secure=claims.is_secure)
        if isinstance(decision, LocalReply):
            ends = not head.persistent or not is_empty(head.framing)
            self.asked = Asked(head, claims, decision.bound, size)
            self.reply(
                decision.reason,
                decision.fields,
                method=head.method,
                minor=head.minor,
                ends=ends,
            )
            return
        try:
            exchange = Exchange.of_head(self, decision, claims)
        except RequestError as error:  # the body is over its limit, and says so
            self.asked = Asked(head, claims, decision.bound, size)
            self.reply(error.reason, method=head.method, ends=True)
            return
        self.exchange = exchange
        exchange.bytes_in = size
        if exchange.request_body is not None:
            data, self._input = self._input, b""
            exchange.start(data)
        else:
            self.deadline = _NEVER
            exchange.start(b"")

    def _claims(self, head: RequestHead) -> Claims:
        plane = self.plane
        identity = plane.next_request_id()
        if self.peer.is_trusted:
            trusted = plane.options.trusted_proxies
            return claims_of_trusted(self.peer, head, identity, trusted)
        return claims_of_untrusted(self.peer, head, identity)

    def begin_tunnel(self) -> None:
        """Pass on what the client has sent behind its upgrade, and read on."""
        tunnel = self.tunnel
        data, self._input = self._input, b""
        if tunnel is not None:
            if data:
                tunnel.data(self, data)
            if self._input_has_ended:
                tunnel.input_ended(self)
            else:
                self.resumeProducing()

    def input_ended(self) -> None:
        """Learn that the client sends no more; it may still wait for its answer."""
        self._input_has_ended = True
        if self.exchange is not None:
            self.exchange.request_ended()
        elif self.tunnel is not None:
            self.tunnel.input_ended(self)
        elif self._lingers or not self.has_output:
            self.close()
        else:
            self.finish()

    # Output

    def reply(
        self,
        reason: ReplyReason,
        fields: bytes = b"",
        *,
        method: bytes = b"",
        minor: int = 1,
        ends: bool,
    ) -> None:
        """
        Answer ourselves, and close afterwards if the input cannot be trusted any more.

        Args:
            reason: Status, text and code.
            fields: Further field lines, each ending in CRLF.
            method: The request's method, when it could be read.
            minor: Its version, 0 or 1 of HTTP/1.x.
            ends: Whether this is the last answer of the connection.
        """
        plane = self.plane
        plane.count_reply(reason)
        ends = ends or plane.is_draining
        fields = plane.date_field + fields + connection_field(minor, ends=ends)
        answer = reply_bytes(reason, fields, with_body=method != b"HEAD")
        self.write(answer)
        if plane.access is not None:
            plane.access.replied(self, reason, answer)
        self.asked = None
        self.exchange_ended(ends=ends)

    def exchange_ended(self, *, ends: bool) -> None:
        """Go on to the next request, or end the connection."""
        self.exchange = None
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

    def output_ended(self) -> None:
        """Linger, so that the last answer is not destroyed by a reset."""
        if self.tunnel is not None:
            self.tunnel.output_ended(self)
        elif self._input_has_ended:
            self.close()
        else:
            self._lingers = True
            self._input = b""
            now = self.plane.seconds()
            self._linger_end = now + MOST_LINGER_SECONDS
            self.deadline = now + LINGER_SECONDS
            self.resumeProducing()

    def output_progressed(self) -> None:
        """Give the client time for the rest."""
        self.deadline = self.plane.seconds() + self.plane.options.body_seconds

    def output_drained(self) -> None:
        """Stop the clock that ran while output waited; serve what waited for room."""
        if self.exchange is not None and self.exchange.request_body is None:
            self.deadline = _NEVER
        elif self.exchange is None and self.tunnel is None and not self._lingers:
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
            self.abort() if self.has_output else self.close()
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
        self.plane.sweep.discard(self)
        exchange, self.exchange = self.exchange, None
        tunnel, self.tunnel = self.tunnel, None
        if exchange is not None:
            exchange.client_gone()
        if tunnel is not None:
            tunnel.closed(self)
        self.plane.forget(self)


def connection_field(minor: int, *, ends: bool) -> bytes:
    """Return our Connection field: close, or keep-alive for HTTP/1.0, or nothing."""
    if ends:
        return b"Connection: close\r\n"
    return b"" if minor else b"Connection: keep-alive\r\n"


_NEVER = float("inf")
_OWN = b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n\r\n"
