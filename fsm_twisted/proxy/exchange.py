"""
One exchange: a request and its response, with retries, on our side of both connections.

The straight road is two reads and two writes. The exchange ends exactly once, in whatever order
the two connections end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.usual import usual_answer
from fsm_twisted.http1.writer import write_request_head
from fsm_twisted.message.framing import is_empty
from fsm_twisted.proxy.account import Account
from fsm_twisted.proxy.replies import SERVER
from fsm_twisted.proxy.request_body import RequestBody
from fsm_twisted.proxy.response import Response
from fsm_twisted.proxy.retry import IDEMPOTENT, Failure
from fsm_twisted.proxy.upstream import UpstreamConnection
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

if TYPE_CHECKING:
    from fsm_twisted.message.heads import RequestHead
    from fsm_twisted.proxy.admission import Admitted
    from fsm_twisted.proxy.client import Claims
    from fsm_twisted.proxy.downstream import Downstream
    from fsm_twisted.proxy.runtime import UpstreamState


class Exchange(Account):
    """
    What goes on between one request of a client and the endpoint that answers it.

    Args:
        downstream: The client's connection.
        state: The upstream that the request has been routed to.
        method: The request's method.
        head: The request's head as the endpoint will get it.
        key: What the balancer hashes, empty where it hashes nothing.

    Attributes:
        request_body: The reader of the request's body while it is incomplete, else None.
        is_usual: The request is persistent HTTP/1.1 without body, upgrade, or cookie of ours.
    """

    # What the usual request is; `of_head` says otherwise where it must.
    head: RequestHead | None = None
    minor = 1
    persistent = True
    is_usual = True
    request_body: RequestBody | None = None
    upstream: UpstreamConnection | None = None
    _body: RequestBody | None = None
    _is_secure = False
    _response: Response | None = None
    _failure = REPLIES["no_endpoints"]

    def __init__(
        self,
        downstream: Downstream,
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
        self.begun = plane.seconds()
        self._key = key

    @classmethod
    def of_head(cls, downstream: Downstream, admitted: Admitted, claims: Claims) -> Self:
        """
        Make the exchange of any request.

        Raises:
            RequestError: The body is over its limit, as its framing says.
        """
        head, state = admitted.head, admitted.upstream
        sent = write_request_head(
            head, claims.fields, target=admitted.target, host=head.authority.wire
        )
        make_key = state.key_of
        key = b"" if make_key is None else make_key(claims.address, head.target.wire, head.fields)
        self = cls(downstream, state, head.method, sent, key)
        self.head = head
        self.minor = head.minor
        self.persistent = head.persistent
        self.is_usual = False
        self.bound = admitted.bound
        self._is_secure = claims.is_secure
        self._fields = head.fields
        if not is_empty(head.framing):
            limit = admitted.bound.body_limit_bytes
            body = RequestBody(head.framing, limit, self.plane.options.limits)
            self._body = self.request_body = body
        return self

    def start(self, data: bytes) -> None:
        """Send the request on its way; *data* is what of its body has arrived with the head."""
        if self.request_body is not None:
            self.downstream.deadline = self.plane.seconds() + self.plane.options.body_seconds
            if data:
                self.request_data(data)
        if self.downstream.exchange is self:
            self.attempt()

    # The way to an endpoint

    def attempt(self) -> None:
        """Take the next endpoint, and an idle connection to it or a new one."""
        state, attempts = self.state, self._attempts
        if attempts is None and state.cookie is None:
            endpoint = self._endpoint = state.balancer.pick(self._key)
        else:
            endpoint = self.attempts.next()
        if endpoint is None:
            self._answer(self._failure)
            return
        endpoint.in_flight += 1
        idle = endpoint.idle
        # A stale connection costs the only retry there is: look before the second time.
        may_be_stale = attempts is None and self.method in IDEMPOTENT
        while idle:
            upstream = idle.pop()
            if may_be_stale or upstream.is_alive():
                upstream.exchange = self
                self.upstream = upstream
                self._send(upstream)
                return
            upstream.close()
        self.upstream = upstream = UpstreamConnection(self.plane, endpoint, self)
        upstream.connect(state.connect_seconds)

    def affinity_field(self) -> bytes:
        """Return the Set-Cookie line that keeps a new client with its endpoint, or nothing."""
        if self._attempts is None or not self._attempts.is_new or self.upstream is None:
            return b""
        return self.state.cookie_field(self.upstream.endpoint, is_secure=self._is_secure)

    def connected(self, upstream: UpstreamConnection) -> None:
        """Send what has been waiting for the connection."""
        self._send(upstream)

    def _send(self, upstream: UpstreamConnection) -> None:
        body = self._body
        self.sent = now = self.plane.seconds()
        if body is None:
            upstream.deadline = now + self.state.read_seconds
            upstream.write(self.head_bytes)
            self.state.cells.bytes_in += len(self.head_bytes)
            return
        data = b"".join((self.head_bytes, *(body.kept or ())))
        upstream.write(data)
        self.state.cells.bytes_in += len(data)
        body.sent()
        self.expect_answer()
        if self.request_body is not None:
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
        elif self.request_body is None or self._response is not None:
            upstream.deadline = now + self.state.read_seconds
        else:
            upstream.deadline = _NEVER  # it is waiting for the client, whose time is limited

    # The request's body

    def request_data(self, data: bytes) -> None:
        """Take body bytes from the client."""
        self.bytes_in += len(data)
        body, upstream = self.request_body, self.upstream
        assert body is not None  # noqa: S101  the downstream asks only while it is incomplete
        try:
            payload = body.take(data)
        except RequestError as error:
            self._answer(error.reason)
            return
        if body.done:
            self._request_complete(body.rest)
        else:
            self.downstream.deadline = self.plane.seconds() + self.plane.options.body_seconds
        if upstream is not None and not upstream.is_connecting:
            if payload:
                upstream.write(payload)
                self.state.cells.bytes_in += len(payload)
                body.sent()
            self.expect_answer()
        elif body.is_enough:
            self.downstream.pauseProducing()

    def _request_complete(self, rest: bytes) -> None:
        self.request_body = None
        downstream = self.downstream
        if not downstream.has_output:
            downstream.deadline = _NEVER
        if self.upstream is not None:
            self.upstream.unregister_producer()
        if rest:
            downstream.hold(rest)

    def request_ended(self) -> None:
        """The client sends no more: in the middle of its body, nothing can be made of that."""
        if self.request_body is not None:
            self.downstream.abort()

    def request_timed_out(self) -> None:
        """The client sends, or takes, nothing any more."""
        if self.request_body is not None and self._response is None:
            self._answer(REPLIES["request_timeout"])
        else:
            self.downstream.abort()

    def client_gone(self) -> None:
        """The client's connection is closed: leave no work to the endpoint."""
        self.request_body = None
        self._leave_upstream()
        if self.plane.access is not None:
            self.plane.access.cut(self)

    # The response

    def response_data(self, data: bytes) -> None:
        """Take bytes from the endpoint."""
        response = self._response
        if response is None:
            if self.is_usual and self._pass_usual(data):
                return
            if self._body is not None:
                self._body.forget()
            self._response = response = Response(self)
        response.data(data)

    def _pass_usual(self, data: bytes) -> bool:
        """Take the straight road with one usual answer, whole in one read; else False."""
        plane, upstream = self.plane, self.upstream
        if upstream is None or upstream.has_output or plane.is_draining:
            return False
        answer = usual_answer(data, plane.options.limits, SERVER, plane.date_field)
        if answer is None:
            return False
        endpoint, cells = upstream.endpoint, self.state.cells
        endpoint.in_flight -= 1
        if endpoint.has_failed:
            endpoint.succeeded()
        self.upstream = None
        cells.bytes_out += len(answer)
        self.downstream.write(answer)
        now = plane.seconds()
        cells.observe(self.method, data[_STATUS_CLASS] - _ZERO, now - self.begun, now - self.sent)
        if plane.access is not None:
            plane.access.usual(self, data, len(answer), now)
        upstream.release(now)
        self.downstream.usual_ended(now)
        return True

    def send_answer(self, data: bytes) -> None:
        """Send bytes of the answer to the client."""
        self.bytes_out += len(data)
        self.state.cells.bytes_out += len(data)
        self.downstream.write(data)

    def response_ended(self) -> None:
        """The endpoint sends no more."""
        if self._response is None:
            self._closed_before_answer()
        else:
            self._response.ended()

    def upstream_gone(self, upstream: UpstreamConnection) -> None:
        """The endpoint's connection is lost."""
        if upstream is not self.upstream:
            return
        if upstream.is_connecting:
            self._failure = REPLIES["connect_failed"]
            self._try_again(Failure.NOT_CONNECTED)
        elif self._response is None:
            self._closed_before_answer()
        else:
            self._response.lost()

    def _closed_before_answer(self) -> None:
        upstream = self.upstream
        assert upstream is not None  # noqa: S101  it has just told us
        self._failure = REPLIES["upstream_closed"]
        self._try_again(Failure.FRESH_CLOSED if upstream.is_fresh else Failure.REUSED_CLOSED)

    def response_timed_out(self) -> None:
        """The endpoint accepts no connection, or is silent."""
        upstream = self.upstream
        if upstream is not None and upstream.is_connecting:
            self._failure = REPLIES["connect_timeout"]
            self._try_again(Failure.NOT_CONNECTED)
        elif self._response is None or not self._response.has_begun:
            self.note_failure()
            self._answer(REPLIES["upstream_timeout"])
        else:
            self.cut("upstream_timeout")

    def overloaded(self, upstream: UpstreamConnection) -> None:
        """The process has no descriptor left for a connection."""
        if upstream is self.upstream:
            self._answer(REPLIES["overloaded"])

    def _try_again(self, failure: Failure) -> None:
        if failure is not Failure.REUSED_CLOSED:
            self.note_failure()
        self._leave_upstream()
        body = self._body
        if self.attempts.may_go_on(
            failure,
            self.method,
            self.plane.budget,
            has_body=body is not None,
            whole=body is None or body.kept is not None,
        ):
            self.attempt()
        else:
            self._answer(self._failure)

    # The end

    def _leave_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.endpoint.in_flight -= 1
            upstream.unregister_producer()
            upstream.discard()

    def _answer(self, reason: ReplyReason) -> None:
        """End with a reply of our own, or without a word if an answer has begun."""
        downstream = self.downstream
        incomplete = self.request_body is not None
        self.request_body = None
        self._leave_upstream()
        if self._response is not None and self._response.has_begun:
            self.cut(reason.code)
            return
        seconds = self.plane.seconds() - self.begun
        self.state.cells.count(self.method, reason.status // 100, seconds)
        downstream.reply(
            reason, method=self.method, minor=self.minor, ends=incomplete or not self.persistent
        )

    def fail(self) -> None:
        """End because the endpoint's answer is not valid."""
        self.note_failure()
        self._answer(REPLIES["upstream_invalid"])

    def finish(self, status_class: int, *, is_reusable: bool, ends: bool) -> None:
        """
        End well.

        Args:
            status_class: First digit of the answer's status.
            is_reusable: The endpoint's connection is clean and may serve others.
            ends: The client has been told that the connection closes.
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
        incomplete = self.request_body is not None
        self.request_body = None
        upstream.unregister_producer()
        if is_reusable and not incomplete and not upstream.has_output:
            upstream.release(now)
        else:
            upstream.discard()
        self.downstream.exchange_ended(ends=ends or incomplete)


_NEVER = float("inf")
_STATUS_CLASS = len(b"HTTP/1.1 ")  # where its digit stands in an answer
_ZERO = ord("0")
