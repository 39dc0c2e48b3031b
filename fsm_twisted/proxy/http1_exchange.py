"""The straight road: a usual HTTP/1 request and its usual answer, two reads and two writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.recognise import usual_answer
from fsm_twisted.http1.set_apart import is_begun, set_apart_answer
from fsm_twisted.proxy.exchange import Exchange
from fsm_twisted.proxy.http1_output import connection_field
from fsm_twisted.proxy.replies import SERVER
from fsm_twisted.proxy.strict_transport import line_unless_in

if TYPE_CHECKING:
    from fsm_twisted.proxy.downstream import Downstream


class Http1Exchange(Exchange):
    """An exchange of an HTTP/1 client."""

    downstream: Downstream

    def pass_usual(self, data: bytes) -> bool:
        """Pass on the bytes of a usual answer; see `Exchange.pass_usual`."""
        plane, upstream = self.plane, self.upstream
        if upstream is None or plane.answers_are_last:
            return False
        limits, is_last, ends = plane.options.limits, False, False
        answer = usual_answer(data, self.method, limits, SERVER, plane.date_field)
        if answer is None or self.adds_lines:
            answer, is_last = self._looked_closer(data, answer)
            if answer is None:
                return False
            ends = not self.persistent
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
        if is_last:
            upstream.discard()
        else:
            upstream.release(now)
        if ends:
            self.downstream.exchange_ended(ends=True)
        else:
            self.downstream.usual_ended(now)
        return True

    def _looked_closer(self, data: bytes, answer: bytes | None) -> tuple[bytes | None, bool]:
        """
        Return what the client gets for *data*, None for what is not usual.

        Args:
            data: What the endpoint has sent.
            answer: The same, if it is usual as it stands.

        Returns:
            Beside it, whether that was the last answer of the endpoint's connection.
        """
        plane, limits, is_last = self.plane, self.plane.options.limits, False
        if answer is None:
            apart = None if is_begun(data, self.method) else set_apart_answer(data, limits)
            if apart is None:
                return None, False
            rest, persistent = apart
            answer = usual_answer(rest, self.method, limits, SERVER, plane.date_field)
            is_last = not persistent
        if answer is not None and self.adds_lines:
            answer = self._with_lines(answer)
        return answer, is_last

    def _with_lines(self, answer: bytes) -> bytes | None:
        """
        Return a usual *answer* with the lines of ours that it is due.

        None when it is in chunks, of which a client of HTTP/1.0 knows nothing.
        """
        end = answer.find(_EMPTY_LINE) + 2
        head = answer[:end].lower()
        if not self.minor and _CODING in head:
            return None
        own = line_unless_in(head, self.hsts) + connection_field(
            self.minor, ends=not self.persistent
        )
        own += self.affinity_field()
        return b"".join((answer[:end], own, answer[end:])) if own else answer


_STATUS_CLASS = len(b"HTTP/1.1 ")  # where its digit stands in an answer
_ZERO = ord("0")
_EMPTY_LINE = b"\r\n\r\n"
_CODING = b"\ntransfer-encoding:"
