"""
Cutting a stream of bytes into heads and bodies; a whole head in one read costs one search.

A connection uses one head reader for all its messages, and for each body what `body_reader`
gives.
"""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.http1.body import BodyReader, SizedReader, body_reader
from fsm_twisted.http1.errors import request_fault, response_fault
from fsm_twisted.http1.scan import LineScan
from fsm_twisted.http1.syntax import DEFAULT_LIMITS, TOKEN, Fault, HeadLimits

__all__ = ["BodyReader", "HeadReader", "ResponseHeadReader", "SizedReader", "body_reader"]

_CR, _LF = b"\r\n"
_VERSION: Final = re.compile(rb" HTTP/[0-9]\.[0-9]\Z")
_EMPTY_LINES: Final = 2  # ignored before a request line (RFC 9112 section 2.2)


class HeadReader:
    """
    Finds request heads in a stream.

    `feed` it until it returns a block, then take what followed by `take_rest` (the first bytes
    of the body, or the next request) before feeding anything else.
    """

    __slots__ = ("_begun", "_checked", "_empty_lines", "_limits", "_rest", "_scan", "_simple")

    _fault: Fault = staticmethod(request_fault)
    _ignored_lines = _EMPTY_LINES

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        # Where a head may end at the latest for no limit to be in question.
        self._simple = min(limits.line_bytes, limits.head_bytes) - 4
        self._rest = b""
        self._renew()

    def _renew(self) -> None:
        self._scan: LineScan | None = None
        self._begun = False
        self._checked = False
        self._empty_lines = 0

    @property
    def pending(self) -> bool:
        """Whether part of a head is here (ignored empty lines are none)."""
        return self._scan is not None and len(self._scan.gathered) > 0

    def take_rest(self) -> bytes:
        """Give what followed the head, once."""
        rest = self._rest
        self._rest = b""
        return rest

    def feed(self, data: bytes) -> bytes | None:
        """
        Take the next bytes, of any number.

        Returns:
            The whole head from its start line to the empty line inclusive, or None while it is
            not complete. It has yet to be parsed.

        Raises:
            RequestError: The bytes cannot be the beginning of a request head within the limits
                (`ResponseError` from a `ResponseHeadReader`).
        """
        if self._scan is None and not self._rest:
            end = data.find(b"\r\n\r\n")
            if 0 <= end <= self._simple and data[0] != _CR and data[0] != _LF:
                self._rest = data[end + 4 :]
                return data[: end + 4]
        return self._feed_piece(data)

    def _feed_piece(self, data: bytes) -> bytes | None:
        scan = self._scan
        if scan is None:
            limits = self._limits
            scan = LineScan(limits, self._fault, start_bytes=limits.line_bytes)
            self._scan = scan
        gathered = scan.gathered
        gathered += self.take_rest() + data
        if not self._begun and not self._pass_empty_lines(gathered):
            return None
        if not self._checked:
            self._check_beginning(gathered)
        end = scan.advance()
        if end < 0:
            return None
        self._rest = bytes(gathered[end:])
        self._renew()
        return bytes(gathered[:end])

    def _pass_empty_lines(self, gathered: bytearray) -> bool:
        """Remove leading empty lines; true once something else is there."""
        while gathered.startswith(b"\r\n") and self._empty_lines < self._ignored_lines:
            self._empty_lines += 1
            del gathered[:2]
        if not gathered or (gathered == b"\r" and self._empty_lines < self._ignored_lines):
            return False
        self._begun = True
        return True

    def _check_beginning(self, gathered: bytearray) -> None:
        """Refuse what cannot become a request line: a method, then a space."""
        method = TOKEN.match(gathered, 0, self._limits.line_bytes)
        end = method.end() if method is not None else 0
        if end >= self._limits.line_bytes:
            self._checked = True  # the line is too long whatever follows
        elif end < len(gathered):
            if end == 0 or gathered[end : end + 1] != b" ":
                raise self._fault("bad_request", "the method is no token")
            self._check_line(gathered)

    def _check_line(self, gathered: bytearray) -> None:
        """Refuse a whole first line without a version: its head may never end (HTTP/0.9)."""
        end = gathered.find(b"\r\n")
        if end >= 0:
            if _VERSION.search(gathered, 0, end) is None:
                raise self._fault("bad_request", "the request line names no version")
            self._checked = True
        elif len(gathered) > self._limits.line_bytes:
            self._checked = True


class ResponseHeadReader(HeadReader):
    """Finds response heads in a stream; no empty lines are ignored, faults are ResponseErrors."""

    __slots__ = ()

    _fault: Fault = staticmethod(response_fault)
    _ignored_lines = 0

    def _check_beginning(self, gathered: bytearray) -> None:
        """Refuse what cannot become the status line of an HTTP/1.x response."""
        beginning = bytes(gathered[:7])
        if not b"HTTP/1.".startswith(beginning):
            raise self._fault("bad_request", "the response does not begin with HTTP/1.")
        self._checked = len(beginning) == len(b"HTTP/1.")
