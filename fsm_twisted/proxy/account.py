"""What is written down of an exchange beside its work: for metrics, log and retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.proxy.attempts import Attempts

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.runtime import BoundRoute, UpstreamState
    from fsm_twisted.proxy.sides import ClientSide


class Account:
    """
    The part of an exchange that tells where it stands.

    On the straight road hardly any of it is ever set, so the values of a usual request are those
    of the class.

    Attributes:
        downstream: The client's side.
        plane: What all connections share.
        state: The upstream that the request has been routed to.
        bound: Its route, for the access log.
        minor: The version of the request: 0 or 1 of HTTP/1.x, `HTTP2` for HTTP/2, `UNOPENED` for a
            TLS connection that goes through.
        begun: When its head was read, on the plane's clock.
        parent_span: The id of the span above this exchange's, perhaps empty; None when it is not
            sampled.
        hsts: The line Strict-Transport-Security that the answer is due, perhaps empty.
        is_secure: The client has spoken TLS, with us or with a trusted proxy.
        persistent: The client allows another request on its connection.
        adds_lines: The answer may be due lines of ours.
        sent: When it was last sent to an endpoint; 0 if it has not been.
        status: Of the answer, once that has begun.
        bytes_in: Of the request, head and body.
        bytes_out: Of the answer so far, head and body.
        head_bytes_out: Of its head alone.
        cut_reason: Why the answer is not whole.
        reset_code: The same for an HTTP/2 client.
        wants_trailers: The client has said that it takes them (``te: trailers``).
        is_grpc: It is a call of gRPC, and the endpoint is spoken to by HTTP/2.
        grpc_status: Of a call that has ended; None before, and of all else.
    """

    downstream: ClientSide
    plane: DataPlane
    state: UpstreamState
    bound: BoundRoute | None = None
    minor = 1
    begun: float
    hsts = b""
    is_secure = False
    adds_lines: bool
    persistent = True
    parent_span: bytes | None = None
    sent = 0.0
    status = bytes_in = bytes_out = head_bytes_out = 0
    cut_reason = b"client_gone"
    reset_code = ErrorCode.INTERNAL_ERROR
    wants_trailers = is_grpc = False
    grpc_status: int | None = None
    _key: bytes
    _fields: Fields = ()
    _attempts: Attempts | None
    _endpoint: EndpointState | None = None

    @property
    def attempts(self) -> Attempts:
        """What has been tried so far; made when the first choice is not simple, or not enough."""
        attempts = self._attempts
        if attempts is None:
            attempts = Attempts(self.state, self._key, self._fields, self._endpoint)
            self._attempts = attempts
        return attempts

    @property
    def tries(self) -> tuple[int, bytes]:
        """How often an endpoint has been tried, and which ones, as text."""
        if self._attempts is not None:
            return self._attempts.tries, self._attempts.text
        return (0, b"") if self._endpoint is None else self._endpoint.once

    def note_output(self, size: int) -> None:
        """Count *size* bytes of the answer that go to the client."""
        self.bytes_out += size
        self.state.cells.bytes_out += size

    def note_grpc_status(self, status: int) -> None:
        """Note how a call of gRPC has ended."""
        self.grpc_status = status
        self.state.cells.count_grpc(status)

    def note_failure(self) -> None:
        """Hold it against the endpoint that it has not answered as it should."""
        self.attempts.note_failure(self.plane.seconds())

    def cut(self, code: str) -> None:
        """End an answer that has begun and cannot be finished, for the reason *code*."""
        self.cut_reason = code.encode("ascii")
        self.downstream.abort()
