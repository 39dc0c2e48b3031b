"""
One exchange: a request and its response, with retries, on our side of both connections.

It knows its two sides by `proxy.sides` only, so each may speak its own version of HTTP. It ends
exactly once, in whatever order the two connections end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from fsm_twisted.http1.writer import write_request_head
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.message.framing import CHUNKED, is_empty
from fsm_twisted.proxy.account import Account
from fsm_twisted.proxy.grpc import is_grpc
from fsm_twisted.proxy.record import NOBODY_WAITS
from fsm_twisted.proxy.request_body import RequestBody
from fsm_twisted.proxy.response import Response
from fsm_twisted.proxy.retry import IDEMPOTENT, Failure
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.admission import Admitted
    from fsm_twisted.proxy.client import Claims
    from fsm_twisted.proxy.runtime import UpstreamState
    from fsm_twisted.proxy.sides import ClientSide, EndpointSide


class Exchange(Account):
    """
    What goes on between one request of a client and the endpoint that answers it.

    Args:
        downstream: The client's side.
        state: The upstream that the request has been routed to.
        method: The request's method.
        head: The request's head as an HTTP/1 endpoint will get it.
        key: What the balancer hashes, empty where it hashes nothing.

    Attributes:
        own_fields: Field lines of ours that the endpoint gets.
        host: The request's, where there is no head and connections are made for it.
        body: What is kept of the request's body, None when it has none.
        is_usual: The request takes the straight road, and so may its answer.
    """

    # What the usual request is; `of_head` says otherwise where it must.
    head: RequestHead | None = None
    admitted: Admitted | None = None
    claims: Claims | None = None
    host = own_fields = b""
    body: RequestBody | None
    upstream: EndpointSide | None = None
    _response: Response | None = None
    _failure = REPLIES["no_endpoints"]

    def __init__(
        self,
        downstream: ClientSide,
        state: UpstreamState,
        method: bytes,
        head: bytes,
        key: bytes,
    ) -> None:
        self.downstream = downstream
        self.plane = plane = downstream.plane
        self.method = method
        self.state = state
        self.head_bytes = head
        plane.budget.requests += 1
        seconds = plane.seconds
        self.begun = seconds()
        self._key = key
        # Found sooner here than in the class, by those who look at every request.
        self.is_usual = True
        self.adds_lines = False
        self.body = self._attempts = None

    @classmethod
    def of_head(cls, downstream: ClientSide, admitted: Admitted, claims: Claims) -> Self:
        """Make the exchange of any request."""
        head, state, above = admitted.head, admitted.upstream, None
        tracer = downstream.plane.tracer
        if tracer is not None:
            head, claims, above = tracer.placed(head, claims)
        own = claims.fields + admitted.identity
        sent = write_request_head(
            head,
            own,
            target=admitted.target,
            host=head.authority.wire,
        )
        make_key = state.key_of
        key = b"" if make_key is None else make_key(claims.address, head.target.wire, head.fields)
        self = cls(downstream, state, head.method, sent, key)
        self.head, self.own_fields = head, own
        self.admitted, self.claims = admitted, claims
        self.minor, self.persistent = head.minor, head.persistent
        self.is_usual = False
        self.is_grpc = state.is_http2 and is_grpc(head.fields)
        self.bound = admitted.bound
        self.heed(head.authority.host, head.fields, is_secure=claims.is_secure)
        if not is_empty(head.framing):
            self.body = RequestBody(is_chunked=head.framing is CHUNKED)
        self.parent_span = above
        return self

    def heed(self, host: bytes, fields: Fields, *, is_secure: bool) -> None:
        """
        Learn what else counts of a request.

        Args:
            host: As it is matched.
            fields: Those among which its endpoint may be looked for.
            is_secure: Whether its client has spoken TLS, with us or with a trusted proxy.
        """
        self.is_secure, self._fields = is_secure, fields
        self.hsts = self.plane.hsts_of(host, is_secure=is_secure)
        self.adds_lines = True

    @property
    def is_incomplete(self) -> bool:
        """Whether more of the request's body is to come from the client."""
        return self.body is not None and not self.body.is_whole

    # The way to an endpoint

    def attempt(self) -> None:
        """Take the next endpoint, and an idle connection to it or a new one."""
        state, attempts = self.state, self._attempts
        if attempts is None and state.cookie is None:
            endpoint = self._endpoint = state.balancer.pick(self._key)
        else:
            endpoint = self.attempts.next()
        if endpoint is None:
            self.answer(self._failure)
            return
        endpoint.in_flight += 1
        idle = endpoint.idle_for(self) if endpoint.is_by_name else endpoint.idle
        # A stale connection costs a retry, and many have only one: look before the second time.
        may_be_stale = attempts is None and self.method in IDEMPOTENT
        while idle:
            upstream = idle.pop()
            if may_be_stale or upstream.is_alive():
                upstream.exchange = self
                self.upstream = upstream
                self.connected(upstream)
                return
            upstream.close()
        self.upstream = side = endpoint.connection(self.plane, self)
        side.connect(state.connect_seconds)

    def affinity_field(self) -> bytes:
        """Return the Set-Cookie line that keeps a new client with its endpoint, or nothing."""
        if self._attempts is None or not self._attempts.is_new or self.upstream is None:
            return b""
        return self.state.cookie_field(self.upstream.endpoint, is_secure=self.is_secure)

    def connected(self, upstream: EndpointSide) -> None:
        """Send what has been waiting for the connection."""
        body = self.body
        seconds = self.plane.seconds
        self.sent = now = seconds()
        if body is None:
            upstream.deadline = now + self.state.read_seconds
            self.state.cells.bytes_in += upstream.send_request(self)
            return
        self.state.cells.bytes_in += upstream.send_request(self)
        body.sent()
        self.expect_answer()
        if not body.is_whole:
            upstream.register_producer(self.downstream)
            self.downstream.resumeProducing()

    def expect_answer(self) -> None:
        """Give the endpoint its time: to take what waits for it, or to say something."""
        upstream = self.upstream
        if upstream is None:
            return
        now = self.plane.seconds()
        if upstream.has_output:
            upstream.deadline = now + self.state.send_seconds
        elif self._response is not None or self.is_grpc or not self.is_incomplete:
            upstream.deadline = now + self.state.read_seconds
        else:
            upstream.deadline = _NEVER  # it is waiting for the client, whose time is limited

    # The client's side

    def request_data(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """
        Take more of the request's body, while it is incomplete.

        Args:
            payload: Perhaps empty.
            ended: Whether this is the last of it.
            trailers: What follows the body, for an endpoint that can be told.
        """
        body, upstream = self.body, self.upstream
        assert body is not None  # noqa: S101  it is incomplete
        body.take(payload, ended=ended, trailers=trailers)
        if ended and upstream is not None:
            upstream.unregister_producer()
        if upstream is not None and not upstream.is_connecting:
            if payload or ended:
                sent = upstream.send_body(payload, ended=ended, trailers=trailers)
                self.state.cells.bytes_in += sent
                body.sent()
            self.expect_answer()
        elif body.is_enough:
            self.downstream.pauseProducing()

    def request_timed_out(self) -> None:
        """The client sends, or takes, nothing any more."""
        if self.is_incomplete and self._response is None:
            self.answer(REPLIES["request_timeout"])
        else:
            self.downstream.abort()

    def client_gone(self) -> None:
        """The client waits no more: leave no work to the endpoint."""
        self._leave_upstream()
        self._count_cut()
        if self.plane.access is not None:
            self.plane.access.cut(self)

    def _count_cut(self) -> None:
        """Count a request whose client has no whole answer, by the status that is logged."""
        seconds = self.plane.seconds() - self.begun
        self.state.cells.count(self.method, (self.status or NOBODY_WAITS) // 100, seconds)

    # The endpoint's side

    def pass_usual(self, data: bytes) -> bool:
        """
        Take the straight road with one usual answer, whole in one read; else False.

        Args:
            data: The first bytes that an HTTP/1 endpoint has sent in answer to a usual request,
                which has all been sent.
        """
        del data
        return False

    def respond(self) -> Response:
        """Begin the answer that the endpoint is sending; nothing is asked again from now on."""
        if self.body is not None:
            self.body.forget()
        self._response = response = Response(self)
        return response

    def upstream_gone(self, upstream: EndpointSide) -> None:
        """The endpoint's connection is lost."""
        if upstream is not self.upstream:
            return
        if upstream.is_connecting:
            self._failure = upstream.connect_failure
            self._try_again(Failure.NOT_CONNECTED)
        elif self._response is None:
            self.closed_before_answer()
        else:
            self._response.lost()

    def closed_before_answer(self) -> None:
        """The endpoint has ended its output, and not a byte of an answer has come."""
        upstream = self.upstream
        assert upstream is not None  # noqa: S101  it has just told us
        self._failure = upstream.close_failure
        self._try_again(Failure.FRESH_CLOSED if upstream.is_fresh else Failure.REUSED_CLOSED)

    def response_timed_out(self) -> None:
        """The endpoint accepts no connection, or is silent."""
        upstream = self.upstream
        if upstream is not None and upstream.is_connecting:
            self._failure = REPLIES["connect_timeout"]
            self._try_again(Failure.NOT_CONNECTED)
        elif self._response is None and self.is_incomplete and not self._is_slow(upstream):
            self.answer(REPLIES["request_timeout"])
        elif self._response is None or not self._response.has_begun:
            self.note_failure()
            self.answer(REPLIES["upstream_timeout"])
        else:
            self.cut("upstream_timeout")

    def _is_slow(self, upstream: EndpointSide | None) -> bool:
        """Whether it is the endpoint that takes nothing, and not the client that sends nothing."""
        return upstream is not None and upstream.has_output

    def not_processed(self, upstream: EndpointSide) -> None:
        """The endpoint has ended the exchange, and has surely not acted on the request."""
        if upstream is not self.upstream:
            return
        if self._response is None:
            self._failure = REPLIES["upstream_refused"]
            self._try_again(Failure.NOT_PROCESSED)
        else:
            self._response.lost()

    def upstream_reset(self, upstream: EndpointSide, code: int) -> None:
        """The endpoint has ended the exchange before its end, by the HTTP/2 error *code*."""
        if upstream is not self.upstream:
            return
        self.reset_code = _PASSED_ON.get(code, ErrorCode.INTERNAL_ERROR)
        if self.is_grpc and code in _PASSED_ON:
            self.cut("upstream_reset")  # gRPC has a status for it
        else:
            self.answer(REPLIES["upstream_reset"])

    def overloaded(self, upstream: EndpointSide) -> None:
        """The process has no descriptor left for a connection."""
        if upstream is self.upstream:
            self.answer(REPLIES["overloaded"])

    def _try_again(self, failure: Failure) -> None:
        if failure not in _BLAMELESS:
            self.note_failure()
        self._leave_upstream()
        body = self.body
        if self.attempts.may_go_on(
            failure,
            self.method,
            self.plane.budget,
            has_body=body is not None,
            whole=body is None or body.kept is not None,
        ):
            self.attempt()
        else:
            self.answer(self._failure)

    # The end

    def _leave_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.endpoint.in_flight -= 1
            upstream.unregister_producer()
            upstream.discard()

    def answer(self, reason: ReplyReason) -> None:
        """End with a reply of our own, or without a word if an answer has begun."""
        incomplete = self.is_incomplete
        self._leave_upstream()
        if self._response is not None and self._response.has_begun:
            self.cut(reason.code)
            return
        self.downstream.reply(reason, ends=incomplete)

    def fail(self) -> None:
        """End because the endpoint's answer is not valid."""
        self.note_failure()
        self.answer(REPLIES["upstream_invalid"])

    def finish(self, status_class: int, *, is_reusable: bool) -> None:
        """
        End well.

        Args:
            status_class: First digit of the answer's status.
            is_reusable: The endpoint's connection is clean and may serve others.
        """
        upstream, self.upstream = self.upstream, None
        assert upstream is not None  # noqa: S101  its answer has just been read
        endpoint = upstream.endpoint
        endpoint.in_flight -= 1
        if endpoint.has_failed:
            endpoint.succeeded()
        now = self.plane.seconds()
        self.state.cells.observe(self.method, status_class, now - self.begun, now - self.sent)
        if self.plane.access is not None:
            self.plane.access.passed(self, now)
        incomplete = self.is_incomplete
        upstream.unregister_producer()
        if is_reusable and not incomplete and not upstream.has_output:
            upstream.release(now)
        else:
            upstream.discard()
        self.downstream.exchange_ended(ends=incomplete)


_NEVER = float("inf")
_BLAMELESS = frozenset({Failure.REUSED_CLOSED, Failure.NOT_PROCESSED})
# What the client of a stream may learn of the endpoint's reasons; the others lie between us two.
_PASSED_ON: dict[int, ErrorCode] = {
    code: code for code in (ErrorCode.CANCEL, ErrorCode.ENHANCE_YOUR_CALM)
}
