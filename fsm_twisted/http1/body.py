"""
Cutting a body out of a stream, by each of the framings; payload passes through, nothing is kept.

All readers have the same face. ``feed`` takes bytes as they arrive and returns the payload among
them; once ``done``, everything further is gathered in ``rest``: it belongs to the next message,
or shows that the peer cannot be trusted with another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from fsm_twisted.http1.errors import bad_framing, request_fault
from fsm_twisted.http1.scan import LineScan
from fsm_twisted.http1.syntax import (
    DEFAULT_LIMITS,
    TOKEN_CLASS,
    VALUE_CLASS,
    HeadLimits,
    mend_fields,
    split_fields,
)
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import Chunked, Framing, NoBody, Sized, UntilClose

BodyFault = Callable[[str], Exception]
"""Makes the error to raise from a detail: `bad_framing` for requests, `ResponseError`."""

_EXTENSION_BYTES: Final = 4096
_LARGEST_CHUNK: Final = 2**63 - 1

_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[%b])*"' % VALUE_CLASS
_EXTENSION: Final = re.compile(
    rb"(?:;[%b]+(?:=(?:[%b]+|%b))?)*" % (TOKEN_CLASS, TOKEN_CLASS, _QUOTED)
)
# A chunk's line; after the first chunk together with the CRLF that ends the data before it.
_FIRST: Final = re.compile(rb"([0-9A-Fa-f]{1,16}+)(;[%b]*+)?\r\n" % VALUE_CLASS)
_NEXT: Final = re.compile(rb"\r\n([0-9A-Fa-f]{1,16}+)(;[%b]*+)?\r\n" % VALUE_CLASS)
# What may still become such a line.
_FIRST_PART: Final = re.compile(
    rb"[0-9A-Fa-f]{0,16}+(?:(?<=[0-9A-Fa-f])(?:;[%b]*+)?\r?)?\Z" % VALUE_CLASS
)
_NEXT_PART: Final = re.compile(
    rb"\r?\Z|\r\n[0-9A-Fa-f]{0,16}+(?:(?<=[0-9A-Fa-f])(?:;[%b]*+)?\r?)?\Z" % VALUE_CLASS
)


class BodyReader(Protocol):
    """Cuts one body out of a stream."""

    @property
    def done(self) -> bool:
        """Whether the whole body has been read."""

    @property
    def rest(self) -> bytes:
        """What came after the end of the body."""

    @property
    def trailers(self) -> Fields:
        """What followed the body, once it is done: checked as field lines, not for meaning."""

    def feed(self, data: bytes) -> bytes:
        """
        Take the next bytes and return the payload in them, possibly none.

        Raises:
            Exception: The body cannot be delimited, or is over its limit; see `body_reader`.
        """

    def finish_at_close(self) -> bool:
        """Tell whether the body is whole if the stream ends now."""


class SizedReader:
    """A body of a known length; data that lies wholly inside is returned as the same object."""

    __slots__ = ("_left", "done", "rest")

    trailers: Fields = ()

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        if left == 0:
            self._left = 0
            self.done = True
            return data
        payload = data[: self._left]
        self.rest += data[self._left :]
        self._left = 0
        self.done = True
        return payload

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._left

    def passed(self, count: int) -> None:
        """Learn of *count* bytes, no more than are `left`, that have gone another way."""
        self._left -= count
        self.done = self._left == 0

    def finish_at_close(self) -> bool:
        """See `BodyReader.finish_at_close`."""
        return self.done


class CloseReader:
    """A body that ends with the connection."""

    __slots__ = ("_left", "_limit", "done", "rest")

    trailers: Fields = ()

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = limit or 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        if self.done:
            self.rest += data
            return b""
        if self._limit is not None:
            self._left -= len(data)
            if self._left < 0:
                raise _too_large(self._limit)
        return data

    def finish_at_close(self) -> bool:
        """See `BodyReader.finish_at_close`: the close is the end."""
        self.done = True
        return True


class ChunkedReader:
    """
    A body in chunks (RFC 9112 section 7.1).

    Sizes have 1 to 16 hexadecimal digits and stay below 2**63; there is no whitespace around
    them. Extensions are checked and dropped, trailers are checked.
    """

    __slots__ = (
        "_extensions",
        "_fault",
        "_held",
        "_left",
        "_limit",
        "_limits",
        "_line",
        "_part",
        "_total",
        "_trailers",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self, limit: int | None, fault: BodyFault, limits: HeadLimits) -> None:
        self._limit = limit
        self._fault = fault
        self._limits = limits
        self._left = 0  # payload bytes of the chunk begun
        self._total = 0  # payload bytes announced so far
        self._extensions = 0  # bytes of extensions so far
        self._held = b""  # the beginning of a chunk's line
        self._line = _FIRST
        self._part = _FIRST_PART
        self._trailers: LineScan | None = None
        self.trailers: Fields = ()
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """See `BodyReader.feed`."""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        if self.done:
            self.rest += data
            return b""
        if self._trailers is not None:
            self._feed_trailers(data)
            return b""
        if self._held:
            data = self._held + data
            self._held = b""
        return self._cut(data)

    def finish_at_close(self) -> bool:
        """See `BodyReader.finish_at_close`."""
        return self.done

    def _cut(self, data: bytes) -> bytes:
        pieces = []
        position = self._left
        if position:
            pieces.append(data[:position])
            self._left = 0
        end = len(data)
        while position < end:
            line = self._line.match(data, position)
            if line is None:
                self._hold(data, position)
                break
            size = self._open(line[1], line[2])
            position = line.end()
            if size == 0:
                self._trailers = LineScan(self._limits, self._trailer_fault, start_bytes=None)
                self._feed_trailers(data[position:])
                break
            pieces.append(data[position : position + size])
            position += size
        if position > end:
            self._left = position - end
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _open(self, digits: bytes, extension: bytes | None) -> int:
        """Begin a chunk and return its size; 0 is the last one."""
        self._line, self._part = _NEXT, _NEXT_PART
        if extension is not None:
            self._extensions += len(extension)
            if self._extensions > _EXTENSION_BYTES:
                raise self._fault(f"chunk extensions of over {_EXTENSION_BYTES} bytes")
            if _EXTENSION.fullmatch(extension) is None:
                raise self._fault("a malformed chunk extension")
        size = int(digits, 16)
        if size > _LARGEST_CHUNK:
            raise self._fault("a chunk size of 2**63 or more")
        self._total += size
        if self._limit is not None and self._total > self._limit:
            raise _too_large(self._limit)
        return size

    def _hold(self, data: bytes, position: int) -> None:
        """Keep the beginning of a chunk's line, if it can become one."""
        held = data[position:]
        if self._part.match(held) is None:
            raise self._fault("no chunk size where one must be")
        if self._extensions + len(held) > _EXTENSION_BYTES + 20:
            raise self._fault(f"chunk extensions of over {_EXTENSION_BYTES} bytes")
        self._held = held

    def _feed_trailers(self, data: bytes) -> None:
        """Read to the end of the trailer section, check it like a head, and forget it."""
        trailers = self._trailers
        if trailers is None:
            raise AssertionError("no trailers without a last chunk")
        gathered = trailers.gathered
        gathered += data
        end = trailers.advance()
        if end < 0:
            return
        # split_fields wants an empty line after a line; there may be no line before it.
        block = b"\r\n" + bytes(gathered[:end])
        fields = split_fields(block, 2, self._limits, self._trailer_fault)
        if any(not name for name, _ in fields):
            fields = mend_fields(block, 2, self._trailer_fault)
        self.trailers = tuple(fields)
        self.rest = bytes(gathered[end:])
        self.done = True
        self._trailers = None

    def _trailer_fault(self, code: str, detail: str) -> Exception:
        return self._fault(f"trailers: {code}: {detail}")


def _too_large(limit: int) -> Exception:
    return request_fault("body_too_large", f"the body is over {limit} bytes")


def body_reader(
    framing: Framing,
    *,
    limit: int | None = None,
    error: BodyFault = bad_framing,
    limits: HeadLimits = DEFAULT_LIMITS,
) -> BodyReader:
    """
    Make the reader for a body.

    Args:
        framing: From the head.
        limit: Most payload bytes allowed (requests), or None.
        error: Makes the error for a body that cannot be delimited: by default a `RequestError`
            with ``bad_framing``; give `ResponseError` for a response.
        limits: For the trailer section of a chunked body.

    Raises:
        RequestError: ``body_too_large``, if the framing says so already; later from ``feed``.
    """
    match framing:
        case NoBody():
            return SizedReader(0)
        case Sized(length):
            if limit is not None and length > limit:
                raise _too_large(limit)
            return SizedReader(length)
        case Chunked():
            return ChunkedReader(limit, error, limits)
        case UntilClose():
            return CloseReader(limit)
        case _:
            assert_never(framing)
