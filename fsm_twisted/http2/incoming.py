"""Bytes that arrive, cut into frames (RFC 9113 sections 3.4 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fsm_twisted.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from fsm_twisted.http2.control import Control
from fsm_twisted.http2.core import Core
from fsm_twisted.http2.decoder import Decoder
from fsm_twisted.http2.errors import (
    ConnectionFault,
    StreamFault,
    calm_fault,
    protocol_fault,
    size_fault,
)
from fsm_twisted.http2.events import ConnectionEnded, Event
from fsm_twisted.http2.frames import FRAME_HEAD, HEAD_BYTES, NUMBER_MASK, block_of_headers
from fsm_twisted.http2.kinds import REQUEST_KINDS, RESPONSE_KINDS
from fsm_twisted.http2.messages import Messages

_NEVER: Final = float("inf")
_KIND_AT: Final = 3  # where a frame says its type
_HEAD_KINDS: Final = (HEADERS, CONTINUATION)
_BLOCKS: Final = 2  # a block may be so many times the list that is accepted, to be answered 431
_PADDED_OR_PRIORITY: Final = PADDED | HAS_PRIORITY

_unpack_head: Final = FRAME_HEAD.unpack_from

Frame = Callable[[int, int, bytes], None]
"""Takes flags, stream and payload."""


class _Gathered:
    """A field block that comes in several frames, between which nothing may come."""

    __slots__ = ("block", "count", "flags", "number")

    def __init__(self, flags: int, number: int, fragment: bytes) -> None:
        self.flags = flags
        self.number = number
        self.block = bytearray(fragment)
        self.count = 0


class Incoming:
    """
    The receiving half of a connection.

    Attributes:
        head_begun: See `Connection.head_begun`.
    """

    __slots__ = (
        "_control",
        "_core",
        "_frames",
        "_gathered",
        "_held",
        "_messages",
        "_needed",
        "_preface",
        "head_begun",
    )

    def __init__(self, core: Core) -> None:
        limits = core.limits
        kinds = REQUEST_KINDS if core.is_server else RESPONSE_KINDS
        decoder = Decoder(kinds, limits.head_bytes, limits.fields)
        control = Control(core, decoder)
        self._core = core
        self._control = control
        self._messages = Messages(core, decoder, control)
        self._gathered: _Gathered | None = None
        self._held = bytearray()
        self._needed = 0
        self.head_begun = _NEVER
        self._preface = PREFACE if core.is_server else b""
        self._frames: dict[int, Frame] = {
            DATA: self._messages.data,
            HEADERS: self._headers,
            CONTINUATION: self._continuation,
            PUSH_PROMISE: self._push_promise,
            SETTINGS: control.settings,
            PING: control.ping,
            GOAWAY: control.go_away,
            WINDOW_UPDATE: control.window_update,
            RST_STREAM: control.reset,
            PRIORITY: control.priority,
        }

    def receive(self, data: bytes, now: float) -> list[Event]:
        """See `Connection.receive`."""
        core = self._core
        if core.ended:
            return []
        core.now = now
        held = self._held
        if held:
            held += data
            if len(held) < self._needed:
                return []
            data = bytes(held)
            held.clear()
        try:
            at = self._pass_preface(data) if self._preface else 0
            at = self._read(data, at)
        except ConnectionFault as fault:
            core.end(fault.code)
            core.events.append(ConnectionEnded(fault.code, fault.detail))
        else:
            if at < len(data):
                held += data[at:]
                if len(held) > _KIND_AT and held[_KIND_AT] in _HEAD_KINDS:
                    self._note_head()
        events = core.events
        core.events = []
        return events

    def _note_head(self) -> None:
        """Remember when the head began of which a part has come, unless that is known."""
        if self.head_begun == _NEVER:
            self.head_begun = self._core.now

    def _pass_preface(self, data: bytes) -> int:
        """Match as much of the client's preface as is here; return where frames begin."""
        preface = self._preface
        size = min(len(data), len(preface))
        if data[:size] != preface[:size]:
            raise protocol_fault("no preface of HTTP/2")
        self._preface = preface[size:]
        return size

    def _read(self, data: bytes, at: int) -> int:
        """Act on the whole frames in *data*; return where the unfinished one begins."""
        frames = self._frames
        limit = self._core.limits.frame_bytes
        end = len(data)
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, number = _unpack_head(data, at)
            size = high << 8 | low
            if size > limit:
                raise size_fault(f"a frame over {limit} bytes")
            stop = at + HEAD_BYTES + size
            if stop > end:
                self._needed = stop - at
                return at
            number &= NUMBER_MASK
            if self._gathered is not None or not self._control.settings_seen:
                self._check_order(kind, flags, number)
            payload = data[at + HEAD_BYTES : stop]
            at = stop
            take = frames.get(kind)
            try:
                if take is None:
                    self._control.unknown()
                else:
                    take(flags, number, payload)
            except StreamFault as fault:
                self._messages.fault(number, fault)
        self._needed = HEAD_BYTES
        return at

    def _check_order(self, kind: int, flags: int, number: int) -> None:
        """Let nothing come before SETTINGS, nor between the parts of a field block."""
        if not self._control.settings_seen and (kind != SETTINGS or flags & ACK):
            raise protocol_fault("the first frame is not SETTINGS")
        gathered = self._gathered
        if gathered is not None and (kind != CONTINUATION or number != gathered.number):
            raise protocol_fault("a frame inside a field block")

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        """Take HEADERS (section 6.2); the field block is decoded when it is whole."""
        if not number:
            raise protocol_fault("HEADERS on no stream")
        if flags & _PADDED_OR_PRIORITY:
            payload = block_of_headers(flags, number, payload)
        if flags & END_HEADERS:
            self.head_begun = _NEVER
            self._messages.block(flags, number, payload)
        else:
            self._gathered = _Gathered(flags, number, payload)
            self._note_head()
            self._check_gathered(self._gathered)

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        """Take CONTINUATION (section 6.10), of which there may be some, but not for ever."""
        gathered = self._gathered
        if gathered is None:
            raise protocol_fault("CONTINUATION without HEADERS")
        gathered.block += payload
        gathered.count += 1
        self._check_gathered(gathered)
        if flags & END_HEADERS:
            self._gathered = None
            self.head_begun = _NEVER
            self._messages.block(gathered.flags, number, bytes(gathered.block))

    def _check_gathered(self, gathered: _Gathered) -> None:
        limits = self._core.limits
        if len(gathered.block) > limits.head_bytes * _BLOCKS:
            raise calm_fault(f"a field block of over {limits.head_bytes * _BLOCKS} bytes")
        if gathered.count > limits.continuations:
            raise calm_fault(f"more than {limits.continuations} CONTINUATION frames in a row")

    def _push_promise(self, _flags: int, _number: int, _payload: bytes) -> None:
        raise protocol_fault("PUSH_PROMISE, which no client may send and we did not enable")
