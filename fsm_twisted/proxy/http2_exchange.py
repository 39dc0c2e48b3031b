"""An exchange of an HTTP/2 client, and its straight road."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm_twisted.http1.usual import usual_parts
from fsm_twisted.proxy.exchange import Exchange
from fsm_twisted.proxy.http2_answers import fields_of
from fsm_twisted.proxy.http2_usual import fields_of_lines
from fsm_twisted.proxy.replies import SERVER
from fsm_twisted.proxy.strict_transport import line_unless_said

if TYPE_CHECKING:
    from fsm_twisted.proxy.http2_stream import Http2Stream

HTTP2: Final = 20
"""The version of HTTP/2, where HTTP/1.x has 0 and 1."""


class Http2Exchange(Exchange):
    """An exchange whose client's side is a stream."""

    downstream: Http2Stream
    minor = HTTP2

    def pass_usual(self, data: bytes) -> bool:
        """Pass on a usual answer, if the client has room for it; see `Exchange.pass_usual`."""
        plane, upstream, stream = self.plane, self.upstream, self.downstream
        if upstream is None:
            return False
        parts = usual_parts(data, plane.options.limits, SERVER, plane.date_field)
        if parts is None:
            return False
        status, lines, end = parts
        fields = fields_of_lines(lines)
        if self.adds_lines:
            fields += fields_of(line_unless_said(fields, self.hsts) + self.affinity_field())
        if not stream.answer_whole(status, fields, data[end:]):
            return False
        endpoint, cells = upstream.endpoint, self.state.cells
        endpoint.in_flight -= 1
        if endpoint.has_failed:
            endpoint.succeeded()
        self.upstream = None
        cells.bytes_out += len(data)
        now = plane.seconds()
        cells.observe(self.method, status // 100, now - self.begun, now - self.sent)
        if plane.access is not None:
            self.status, self.bytes_out, self.head_bytes_out = status, len(data), end
            plane.access.passed(self, now)
        upstream.release(now)
        stream.usual_ended()
        return True
