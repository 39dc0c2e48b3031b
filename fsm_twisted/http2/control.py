"""Frames that are about the connection or its windows, and the end of streams."""

from __future__ import annotations

from typing import Final

from fsm_twisted.http2.codes import (
    ACK,
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME_LIMIT,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    SETTINGS,
    SMALLEST_FRAME_LIMIT,
    ErrorCode,
)
from fsm_twisted.http2.core import Core
from fsm_twisted.http2.decoder import Decoder
from fsm_twisted.http2.errors import ConnectionFault, StreamFault, protocol_fault, size_fault
from fsm_twisted.http2.events import (
    GoAwayReceived,
    PeerSettings,
    PingAnswered,
    StreamReset,
    WindowOpened,
)
from fsm_twisted.http2.frames import (
    NUMBER_MASK,
    check_ping,
    check_priority,
    go_away_of,
    is_priority,
    settings_of,
    word_of,
    write_frame,
    write_ping,
)
from fsm_twisted.http2.table import DEFAULT_TABLE_BYTES

_BOOLEAN: Final = 1
_TINY_INCREMENT: Final = 256
# A connection's window that opens by less may wake all streams that wait for it, and serve one.
_COST_OF_TINY: Final = 16


class Control:
    """Acts on the frames that carry nothing of a message."""

    __slots__ = ("_core", "_decoder", "_is_acknowledged", "settings_seen")

    def __init__(self, core: Core, decoder: Decoder) -> None:
        self._core = core
        self._decoder = decoder
        self._is_acknowledged = False
        self.settings_seen = False

    def _spend(self) -> None:
        self._core.control.spend(self._core.now)

    # SETTINGS

    def settings(self, flags: int, number: int, payload: bytes) -> None:
        """Follow SETTINGS, in order, and acknowledge them (section 6.5)."""
        self._spend()
        if number:
            raise protocol_fault("SETTINGS on a stream")
        if flags & ACK:
            if payload:
                raise size_fault("an acknowledgement of SETTINGS with a payload")
            self._acknowledged()
            return
        core = self._core
        before = core.peer_streams, core.peer_extended_connect
        for setting, value in settings_of(payload):
            self._set(setting, value)
        core.answer(write_frame(SETTINGS, ACK, 0, b""))
        after = core.peer_streams, core.peer_extended_connect
        if before != after or not self.settings_seen:
            self.settings_seen = True
            self._core.events.append(PeerSettings(*after))

    def _acknowledged(self) -> None:
        """Make our settings hold: the peer has sent this after it followed them."""
        if self._is_acknowledged:
            return
        self._is_acknowledged = True
        core = self._core
        limits = core.limits
        core.stream_window = limits.stream_window
        for stream in core.streams.values():
            stream.receive_window += limits.stream_window - DEFAULT_WINDOW
        if limits.table_bytes != DEFAULT_TABLE_BYTES:
            self._decoder.allow_table(limits.table_bytes)

    def _set(self, setting: int, value: int) -> None:
        core = self._core
        if setting == HEADER_TABLE_SIZE:
            core.encoder.allow_table(value)
        elif setting == INITIAL_WINDOW_SIZE:
            self._set_window(value)
        elif setting == MAX_FRAME_SIZE:
            if not SMALLEST_FRAME_LIMIT <= value <= LARGEST_FRAME_LIMIT:
                raise protocol_fault("SETTINGS_MAX_FRAME_SIZE outside its range")
            core.peer_frame_bytes = value
        elif setting == MAX_CONCURRENT_STREAMS:
            if not core.is_server:
                core.peer_streams = min(value, core.limits.streams)
        elif setting in (ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL):
            self._set_flag(setting, value)

    def _set_flag(self, setting: int, value: int) -> None:
        core = self._core
        if value > _BOOLEAN:
            raise protocol_fault("a setting that is neither 0 nor 1")
        if setting == ENABLE_CONNECT_PROTOCOL:
            if core.peer_extended_connect and not value:
                raise protocol_fault("SETTINGS_ENABLE_CONNECT_PROTOCOL taken back")
            core.peer_extended_connect = bool(value)
        elif value and not core.is_server:
            raise protocol_fault("SETTINGS_ENABLE_PUSH of a server")

    def _set_window(self, value: int) -> None:
        """Change the windows of all streams, which may make them negative (section 6.9.2)."""
        if value > LARGEST_WINDOW:
            raise _window_fault("SETTINGS_INITIAL_WINDOW_SIZE over 2**31-1")
        core = self._core
        change = value - core.peer_window
        core.peer_window = value
        for stream in core.streams.values():
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise _window_fault("SETTINGS_INITIAL_WINDOW_SIZE makes a window overflow")
        if change > 0:
            core.control.spend(core.now, self._tell_opened())

    # WINDOW_UPDATE

    def window_update(self, _flags: int, number: int, payload: bytes) -> None:
        """
        Widen a window of ours (section 6.9).

        Raises:
            StreamFault: For the stream *number*.
        """
        core = self._core
        core.updates.spend(core.now)
        increment = word_of(payload, "WINDOW_UPDATE") & NUMBER_MASK
        if number:
            self._widen_stream(number, increment)
            return
        if not increment:
            raise protocol_fault("a WINDOW_UPDATE of 0")
        core.send_window += increment
        if core.send_window > LARGEST_WINDOW:
            raise _window_fault("the window of the connection overflows")
        if core.blocked:
            if increment < _TINY_INCREMENT:
                core.updates.spend(core.now, _COST_OF_TINY)
            self._tell_opened()

    def _widen_stream(self, number: int, increment: int) -> None:
        core = self._core
        stream = core.streams.get(number)
        if stream is None:
            self.check_used(number, "WINDOW_UPDATE")
            return
        if not increment:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a WINDOW_UPDATE of 0")
        stream.send_window += increment
        if stream.send_window > LARGEST_WINDOW:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "the window of the stream overflows")
        if number in core.blocked and core.send_window > 0 and stream.send_window > 0:
            del core.blocked[number]
            self._core.events.append(WindowOpened(number))

    def _tell_opened(self) -> int:
        """Report the blocked streams that may go on, the longest blocked first; count them."""
        core = self._core
        if core.send_window <= 0:
            return 0
        opened = [number for number in core.blocked if core.streams[number].send_window > 0]
        for number in opened:
            del core.blocked[number]
            core.events.append(WindowOpened(number))
        return len(opened)

    # The others

    def check_used(self, number: int, name: str) -> None:
        """
        Refuse a frame on a stream that nobody opened (section 5.1, idle).

        Raises:
            ConnectionFault: It is idle.
        """
        core = self._core
        if not number or not number & 1 or number > core.numbers.last:
            raise protocol_fault(f"{name} on an idle stream, or on none")

    def reset(self, _flags: int, number: int, payload: bytes) -> None:
        """Follow RST_STREAM (section 6.4)."""
        code = word_of(payload, "RST_STREAM")
        self.check_used(number, "RST_STREAM")
        core = self._core
        stream = core.streams.get(number)
        if stream is None:
            self._spend()
            return
        if core.is_server:  # else it was us who have opened it
            core.resets.spend(core.now)
        core.forget(stream)
        unprocessed = code == ErrorCode.REFUSED_STREAM and not core.is_server
        self._core.events.append(
            StreamReset(number, code, by_peer=True, unprocessed=unprocessed, detail="RST_STREAM")
        )

    def ping(self, flags: int, number: int, payload: bytes) -> None:
        """Answer PING, or follow an answer (section 6.7)."""
        self._spend()
        if number:
            raise protocol_fault("PING on a stream")
        check_ping(payload)
        if flags & ACK:
            self._core.events.append(PingAnswered(payload))
        else:
            self._core.answer(write_ping(ACK, payload))

    def priority(self, _flags: int, number: int, payload: bytes) -> None:
        """
        Ignore PRIORITY, but for its form (section 6.3).

        Raises:
            StreamFault: For the stream *number*.
        """
        self._spend()
        if not number:
            raise protocol_fault("PRIORITY on no stream")
        if not is_priority(payload):
            if number in self._core.streams:
                raise StreamFault(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is not five bytes")
            raise size_fault("PRIORITY is not five bytes")
        check_priority(number, payload)

    def go_away(self, _flags: int, number: int, payload: bytes) -> None:
        """Open no more streams, and give up those that the peer does not know (section 6.8)."""
        self._spend()
        if number:
            raise protocol_fault("GOAWAY on a stream")
        last, code = go_away_of(payload)
        core = self._core
        core.peer_is_leaving = True
        self._core.events.append(GoAwayReceived(last, code))
        if core.is_server:
            return
        for stream in [stream for stream in core.streams.values() if stream.number > last]:
            core.forget(stream)
            core.numbers.remember_reset(stream.number)
            self._core.events.append(
                StreamReset(stream.number, code, by_peer=True, unprocessed=True, detail="GOAWAY")
            )

    def unknown(self) -> None:
        """Ignore a frame of a type that we do not know (section 5.5)."""
        self._spend()


def _window_fault(detail: str) -> ConnectionFault:
    return ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, detail)
