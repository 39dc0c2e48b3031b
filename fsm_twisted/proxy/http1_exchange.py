"""The straight road: a usual HTTP/1 request and its usual answer, two reads and two writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.recognise import usual_answer
from fsm_twisted.proxy.exchange import Exchange
from fsm_twisted.proxy.replies import SERVER
from fsm_twisted.proxy.strict_transport import with_line

if TYPE_CHECKING:
    from fsm_twisted.proxy.downstream import Downstream


class Http1Exchange(Exchange):
    """An exchange of an HTTP/1 client."""

    downstream: Downstream

    def pass_usual(self, data: bytes) -> bool:
        """Pass on the bytes of a usual answer; see `Exchange.pass_usual`."""
        plane, upstream = self.plane, self.upstream
        if upstream is None or upstream.has_output or plane.is_draining:
            return False
        answer = usual_answer(data, self.method, plane.options.limits, SERVER, plane.date_field)
        if answer is None:
            return False
        if self.hsts:
            answer = with_line(answer, self.hsts)
        endpoint, cells = upstream.endpoint, self.state.cells
        endpoint.in_flight -= 1
        if endpoint.has_failed:
            endpoint.succeeded()
        self.upstream = None
        cells.bytes_out += len(answer)
        self.downstream.write_soon(answer)
        seconds = plane.seconds
        now = seconds()
        cells.observe(self.method, data[_STATUS_CLASS] - _ZERO, now - self.begun, now - self.sent)
        if plane.access is not None:
            tries = endpoint.once if self._attempts is None else self.tries
            plane.access.usual(self, tries, data, len(answer), now)
        upstream.release(now)
        self.downstream.usual_ended(now)
        return True


_STATUS_CLASS = len(b"HTTP/1.1 ")  # where its digit stands in an answer
_ZERO = ord("0")
