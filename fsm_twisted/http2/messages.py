"""Frames that belong to messages: heads, bodies and trailers (RFC 9113 sections 5.1 and 8.1)."""

from __future__ import annotations

from typing import Final

from fsm_twisted.http2.codes import END_STREAM, PADDED, ErrorCode
from fsm_twisted.http2.control import Control
from fsm_twisted.http2.core import Core
from fsm_twisted.http2.decoder import Decoder, FieldList, HpackError
from fsm_twisted.http2.errors import ConnectionFault, StreamFault, malformed, protocol_fault
from fsm_twisted.http2.events import (
    DataReceived,
    RequestReceived,
    StreamReset,
    TrailersReceived,
)
from fsm_twisted.http2.frames import without_padding
from fsm_twisted.http2.streams import UNKNOWN_LENGTH, Stream
from fsm_twisted.http2.translate import (
    refused,
    request_event,
    response_event,
    trailer_fields,
    usual_request,
)
from fsm_twisted.message.framing import CHUNKED, Framing, Sized

_OK: Final = 200


class Messages:
    """Acts on HEADERS with their continuations, and on DATA."""

    __slots__ = ("_control", "_core", "_decoder")

    def __init__(self, core: Core, decoder: Decoder, control: Control) -> None:
        self._core = core
        self._decoder = decoder
        self._control = control

    # Heads

    def block(self, flags: int, number: int, block: bytes) -> None:
        """
        Take a whole field block: a head or trailers.

        Raises:
            StreamFault: For the stream *number*, which is open.
        """
        try:
            listed = self._decoder.decode(block)
        except HpackError as fault:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(fault)) from None
        core = self._core
        end = bool(flags & END_STREAM)
        stream = core.streams.get(number)
        if stream is not None:
            self._later_block(stream, listed, end=end)
        elif core.is_server and number > core.numbers.last:
            self._open(number, listed, end=end)
        else:
            self._stray(number, "HEADERS")

    def _open(self, number: int, listed: FieldList | None, *, end: bool) -> None:
        """Begin a stream that the client opens."""
        if not number & 1:
            raise protocol_fault("a client opens a stream with an even number")
        core = self._core
        core.numbers.use(number)
        if core.is_refusing or len(core.streams) >= core.limits.streams:
            self._refuse(number, ErrorCode.REFUSED_STREAM)
            return
        if end and core.tells_usual and listed is not None:
            usual = usual_request(number, listed, core.limits)
            if usual is not None:
                stream = Stream(number, usual.method, core.peer_window, core.stream_window)
                stream.head_received, stream.remote_open = True, False
                core.streams[number] = stream
                core.events.append(usual)
                return
        try:
            event = (
                refused(number, "head_too_large", "the head is over the limits", end=end)
                if listed is None
                else request_event(number, listed, core.limits, end=end)
            )
        except StreamFault as fault:
            self._refuse(number, fault.code)
            return
        if isinstance(event, RequestReceived):
            stream = Stream(number, event.head.method, core.peer_window, core.stream_window)
            if not end:
                # A tunnel has no body, and no end but its own.
                is_tunnel = event.head.upgrade is not None
                stream.remaining = UNKNOWN_LENGTH if is_tunnel else _remaining(event.head.framing)
        else:
            stream = Stream(number, b"", core.peer_window, core.stream_window)
            stream.is_refused = True
        stream.head_received = True
        stream.remote_open = not end
        core.streams[number] = stream
        core.events.append(event)

    def _refuse(self, number: int, code: ErrorCode) -> None:
        """Reset a stream that was never reported."""
        core = self._core
        core.resets.spend(core.now)
        core.reset(number, code)

    def _later_block(self, stream: Stream, listed: FieldList | None, *, end: bool) -> None:
        if not stream.remote_open:
            raise StreamFault(ErrorCode.STREAM_CLOSED, "HEADERS after the end of a stream")
        if not stream.head_received:
            self._response(stream, listed, end=end)
        elif not end:
            raise malformed("a second head without the end of the stream")
        elif stream.is_refused:
            self._core.finish_remote(stream)
        elif listed is None:
            raise StreamFault(ErrorCode.ENHANCE_YOUR_CALM, "trailers over the limits")
        else:
            self._trailers(stream, listed)

    def _trailers(self, stream: Stream, listed: FieldList) -> None:
        fields = trailer_fields(listed)
        if stream.remaining > 0:
            raise malformed("a body shorter than its Content-Length")
        core = self._core
        core.events.append(TrailersReceived(stream.number, fields))
        core.finish_remote(stream)

    def _response(self, stream: Stream, listed: FieldList | None, *, end: bool) -> None:
        """Take a head from the server, interim or final."""
        if listed is None:
            raise StreamFault(ErrorCode.ENHANCE_YOUR_CALM, "a head over the limits")
        event = response_event(stream.number, listed, stream.method, end=end)
        core = self._core
        if event.head.status < _OK:
            stream.interim += 1
            if stream.interim > core.limits.interim:
                raise StreamFault(ErrorCode.ENHANCE_YOUR_CALM, "too many interim responses")
        else:
            stream.head_received = True
            stream.remaining = _remaining(event.head.framing)
        core.events.append(event)
        if end:
            core.finish_remote(stream)

    def _stray(self, number: int, name: str) -> None:
        """Ignore what comes for a stream that we reset; refuse it for any other (5.1, closed)."""
        core = self._core
        self._control.check_used(number, name)
        if core.numbers.was_reset_here(number):
            core.control.spend(core.now)
            return
        if core.numbers.was_passed_over(number):
            raise protocol_fault(f"{name} on a stream that was passed over")
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"{name} on a closed stream")

    # Bodies

    def data(self, flags: int, number: int, payload: bytes) -> None:
        """
        Take a DATA frame (section 6.1).

        Raises:
            StreamFault: For the stream *number*.
        """
        core = self._core
        size = len(payload)
        core.receive_window -= size
        if core.receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the connection allows")
        if flags & PADDED:
            payload = without_padding(payload)
        stream = core.streams.get(number)
        if stream is None:
            self._stray(number, "DATA")
            core.give_back(size)
            return
        try:
            self._check_data(stream, size, payload, flags & END_STREAM)
        except StreamFault:
            core.give_back(size)
            raise
        padding = size - len(payload)
        if padding or stream.is_refused:
            dropped = size if stream.is_refused else padding
            core.give_back(dropped)
            core.give_back_on(stream, dropped)
        end = bool(flags & END_STREAM)
        if not payload and not end:
            core.control.spend(core.now)
        elif not stream.is_refused:
            stream.unconsumed += len(payload)
            self._report(DataReceived(number, payload, end))
        if end:
            core.finish_remote(stream)

    def _report(self, piece: DataReceived) -> None:
        """Report *piece*, as one with what has just come before it: many tiny frames are one."""
        events = self._core.events
        last = events[-1] if events else None
        if isinstance(last, DataReceived) and last.stream == piece.stream:
            events[-1] = DataReceived(piece.stream, last.data + piece.data, piece.end)
        else:
            events.append(piece)

    def _check_data(self, stream: Stream, size: int, payload: bytes, end: int) -> None:
        if not stream.remote_open:
            raise StreamFault(ErrorCode.STREAM_CLOSED, "DATA after the end of a stream")
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the stream allows")
        if not stream.head_received:
            raise malformed("DATA before the head")
        if stream.remaining != UNKNOWN_LENGTH:
            stream.remaining -= len(payload)
            if stream.remaining < 0 or (end and stream.remaining):
                raise malformed("a body longer or shorter than its Content-Length")

    # Errors

    def fault(self, number: int, fault: StreamFault) -> None:
        """
        Reset a stream for an error of the peer, and report it if it is open.

        Raises:
            ConnectionFault: It happens too often.
        """
        core = self._core
        was_open = number in core.streams
        core.reset(number, fault.code)
        if was_open:
            core.events.append(
                StreamReset(
                    number, fault.code, by_peer=False, unprocessed=False, detail=fault.detail
                )
            )
        core.resets.spend(core.now)


def _remaining(framing: Framing) -> int:
    """Return how many bytes the body must have."""
    if isinstance(framing, Sized):
        return framing.length
    return UNKNOWN_LENGTH if framing is CHUNKED else 0
