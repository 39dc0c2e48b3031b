"""Frames as bytes: writing them, and the rules of their payloads (RFC 9113 sections 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final

from fsm_twisted.http2.codes import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from fsm_twisted.http2.errors import protocol_fault, size_fault

FRAME_HEAD: Final = Struct("!HBBBL")
"""Upper 16 and lower 8 bits of the length, type, flags, stream (whose first bit is reserved)."""

HEAD_BYTES: Final = 9
NUMBER_MASK: Final = 0x7FFFFFFF

_SETTING: Final = Struct("!HL")
_WORD: Final = Struct("!L")
_TWO_WORDS: Final = Struct("!LL")
_PRIORITY_BYTES: Final = 5
PING_BYTES: Final = 8

pack_head: Final = FRAME_HEAD.pack


def write_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame whose payload is within the peer's limit."""
    size = len(payload)
    return pack_head(size >> 8, size & 0xFF, kind, flags, stream) + payload


def write_settings(settings: Iterable[tuple[int, int]]) -> bytes:
    """Write SETTINGS from identifiers and values."""
    return write_frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*setting) for setting in settings))


def write_reset(stream: int, code: int) -> bytes:
    """Write RST_STREAM."""
    return write_frame(RST_STREAM, 0, stream, _WORD.pack(code))


def write_go_away(last_stream: int, code: int) -> bytes:
    """Write GOAWAY, without debug data."""
    return write_frame(GOAWAY, 0, 0, _TWO_WORDS.pack(last_stream, code))


def write_window_update(stream: int, increment: int) -> bytes:
    """Write WINDOW_UPDATE; stream 0 is the connection."""
    return write_frame(WINDOW_UPDATE, 0, stream, _WORD.pack(increment))


def write_ping(flags: int, payload: bytes) -> bytes:
    """Write PING, or its answer."""
    return write_frame(PING, flags, 0, payload)


def write_block(stream: int, block: bytes, limit: int, *, end: bool) -> Sequence[bytes]:
    """Write a field block: HEADERS, and CONTINUATION as far as *limit* bytes a frame need it."""
    flags = END_STREAM if end else 0
    if len(block) <= limit:
        return (write_frame(HEADERS, flags | END_HEADERS, stream, block),)
    pieces = [block[at : at + limit] for at in range(0, len(block), limit)]
    return (
        write_frame(HEADERS, flags, stream, pieces[0]),
        *(write_frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]),
        write_frame(CONTINUATION, END_HEADERS, stream, pieces[-1]),
    )


def without_padding(payload: bytes) -> bytes:
    """
    Take padding off the payload of a frame with the flag PADDED (sections 6.1 and 6.2).

    Raises:
        ConnectionFault: There is no length of it, or it is longer than the rest.
    """
    if not payload:
        raise size_fault("a padded frame without the length of its padding")
    end = len(payload) - payload[0]
    if end < 1:
        raise protocol_fault("padding longer than the frame")
    return payload[1:end]


def block_of_headers(flags: int, stream: int, payload: bytes) -> bytes:
    """
    Return the fragment in a HEADERS frame with padding or priority (section 6.2).

    Raises:
        ConnectionFault: The payload is too short for what the flags say, or the stream depends
            on itself.
    """
    if flags & PADDED:
        payload = without_padding(payload)
    if flags & HAS_PRIORITY:
        if len(payload) < _PRIORITY_BYTES:
            raise size_fault("HEADERS too short for its priority")
        check_priority(stream, payload)
        payload = payload[_PRIORITY_BYTES:]
    return payload


def check_priority(stream: int, payload: bytes) -> None:
    """
    Look at five bytes of priority, which otherwise are ignored (section 5.3.2).

    Raises:
        ConnectionFault: The stream depends on itself (RFC 7540 section 5.3.1).
    """
    if _WORD.unpack_from(payload)[0] & NUMBER_MASK == stream:
        raise protocol_fault("a stream that depends on itself")


def is_priority(payload: bytes) -> bool:
    """Tell whether a PRIORITY frame has the size of one."""
    return len(payload) == _PRIORITY_BYTES


def word_of(payload: bytes, name: str) -> int:
    """
    Read the one number of a RST_STREAM or WINDOW_UPDATE frame.

    Raises:
        ConnectionFault: The payload is not four bytes.
    """
    if len(payload) != _WORD.size:
        raise size_fault(f"{name} is not four bytes")
    number: int = _WORD.unpack(payload)[0]
    return number


def settings_of(payload: bytes) -> Iterator[tuple[int, int]]:
    """
    Read identifiers and values of a SETTINGS frame, in order.

    Raises:
        ConnectionFault: The payload is no multiple of six bytes.
    """
    if len(payload) % _SETTING.size:
        raise size_fault("SETTINGS is no multiple of six bytes")
    return _SETTING.iter_unpack(payload)


def go_away_of(payload: bytes) -> tuple[int, int]:
    """
    Read last stream and code of a GOAWAY frame.

    Raises:
        ConnectionFault: The payload is shorter than eight bytes.
    """
    if len(payload) < _TWO_WORDS.size:
        raise size_fault("GOAWAY is shorter than eight bytes")
    last_stream, code = _TWO_WORDS.unpack_from(payload)
    return last_stream & NUMBER_MASK, code


def check_ping(payload: bytes) -> None:
    """
    Look at the payload of a PING frame.

    Raises:
        ConnectionFault: It is not eight bytes.
    """
    if len(payload) != PING_BYTES:
        raise size_fault("PING is not eight bytes")
