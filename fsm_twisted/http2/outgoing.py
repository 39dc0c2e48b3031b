"""What goes out on streams: heads, bodies within the windows, trailers."""

from __future__ import annotations

from typing import Final

from fsm_twisted.http2.codes import DATA, END_HEADERS, END_STREAM, HEADERS, LARGEST_STREAM
from fsm_twisted.http2.core import Core
from fsm_twisted.http2.frames import pack_head, write_block
from fsm_twisted.http2.outgoing_heads import (
    Address,
    request_block,
    response_block,
    trailer_block,
    whole_block,
)
from fsm_twisted.http2.streams import Stream
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.heads import RequestHead, ResponseHead

_OK: Final = 200
_LARGEST_PIECE: Final = 65536
_UPDATES_A_FRAME: Final = 2  # one for the stream, one for the connection
_TINY_PIECE: Final = 256  # what a window has cut to less pays for none of both (CVE-2019-9511)
_PINGS_A_FRAME: Final = 1  # gRPC's peers measure the way with every piece that comes


class Outgoing:
    """The sending half of a connection."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    def send_response(self, number: int, head: ResponseHead, extra: Fields, *, end: bool) -> None:
        """See `Connection.send_response`."""
        core = self._core
        stream = core.streams.get(number)
        if stream is None or not stream.local_open:
            return
        is_final = head.status >= _OK
        if stream.head_sent or (end and not is_final):
            raise ValueError("a second final response, or an interim one that ends the stream")
        block = response_block(core.encoder, head, extra)
        stream.head_sent = is_final
        core.out += write_block(number, block, core.peer_frame_bytes, end=end)
        if end:
            core.finish_local(stream)

    def send_whole(self, number: int, status: int, fields: Fields, body: bytes) -> bool:
        """See `Connection.send_whole`."""
        core = self._core
        stream = core.streams.get(number)
        size = len(body)
        if (
            stream is None
            or not stream.local_open
            or stream.head_sent
            or size > stream.send_window
            or size > core.send_window
        ):
            return False
        block = whole_block(core.encoder, status, fields, size)
        stream.head_sent = True
        length, limit = len(block), core.peer_frame_bytes
        if size and length <= limit and size <= limit:
            core.out += (
                pack_head(length >> 8, length & 0xFF, HEADERS, END_HEADERS, number),
                block,
                pack_head(size >> 8, size & 0xFF, DATA, END_STREAM, number),
                body,
            )
            core.send_window -= size
            core.updates.add(_UPDATES_A_FRAME)
        else:
            core.out += write_block(number, block, limit, end=not size)
            if size:
                self._write_data(stream, body, end=True)
        core.finish_local(stream)
        return True

    def send_request(
        self, head: RequestHead, address: Address, extra: Fields, *, end: bool
    ) -> int:
        """See `Connection.send_request`."""
        core = self._core
        if not self.can_open:
            raise ValueError("no stream may be opened now")
        if head.upgrade and (end or not core.peer_extended_connect):
            raise ValueError("an extended CONNECT that was not offered, or ends at once")
        number = core.numbers.last + 2 if core.numbers.last else 1
        block = request_block(core.encoder, head, address, extra)
        core.numbers.use(number)
        method = b"CONNECT" if head.upgrade else head.method
        stream = Stream(number, method, core.peer_window, core.stream_window)
        stream.head_sent = True
        core.streams[number] = stream
        core.out += write_block(number, block, core.peer_frame_bytes, end=end)
        if end:
            core.finish_local(stream)
        return number

    @property
    def can_open(self) -> bool:
        """See `Connection.can_open`."""
        core = self._core
        return (
            not (core.is_server or core.ended or core.is_draining or core.peer_is_leaving)
            and len(core.streams) < core.peer_streams
            and core.numbers.last + 2 <= LARGEST_STREAM
        )

    def send_data(self, number: int, data: bytes, *, end: bool) -> int:
        """See `Connection.send_data`."""
        core = self._core
        size = len(data)
        stream = core.streams.get(number)
        if stream is None or not stream.local_open:
            return size
        if not stream.head_sent:
            raise ValueError("data before the head")
        taken = min(size, stream.send_window, core.send_window)
        if taken < size:
            if 0 < taken < _TINY_PIECE:
                core.updates.add(-_UPDATES_A_FRAME)
                core.control.add(-_PINGS_A_FRAME)
            core.blocked[number] = None
            if taken <= 0:
                return 0
            data = data[:taken]
            end = False
        elif not size and not end:
            return 0
        elif core.blocked:
            core.blocked.pop(number, None)
        self._write_data(stream, data, end=end)
        if end:
            core.finish_local(stream)
        return taken

    def _write_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """Queue DATA that the windows let through, in pieces."""
        core = self._core
        size = len(data)
        stream.send_window -= size
        core.send_window -= size
        flags = END_STREAM if end else 0
        limit = min(core.peer_frame_bytes, _LARGEST_PIECE)
        add = core.out.append
        at = 0
        while size - at > limit:
            add(pack_head(limit >> 8, limit & 0xFF, DATA, 0, stream.number))
            add(data[at : at + limit])
            core.updates.add(_UPDATES_A_FRAME)
            core.control.add(_PINGS_A_FRAME)
            at += limit
        rest = size - at
        add(pack_head(rest >> 8, rest & 0xFF, DATA, flags, stream.number))
        add(data[at:] if at else data)
        core.updates.add(_UPDATES_A_FRAME)
        core.control.add(_PINGS_A_FRAME)

    def send_trailers(self, number: int, fields: Fields) -> None:
        """See `Connection.send_trailers`."""
        core = self._core
        stream = core.streams.get(number)
        if stream is None or not stream.local_open:
            return
        if not stream.head_sent:
            raise ValueError("trailers before the head")
        if fields:
            block = trailer_block(core.encoder, fields)
            core.out += write_block(number, block, core.peer_frame_bytes, end=True)
        else:
            self._write_data(stream, b"", end=True)
        core.finish_local(stream)
