"""Shorthand for tests: lines to blocks, and the code with which a block is refused."""

from __future__ import annotations

import pytest

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import HeadLimits, parse_request_head, parse_response_head
from fsm_twisted.message.heads import RequestHead, ResponseHead

LIMITS = HeadLimits()


def request(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"a") -> RequestHead:
    """Parse a request that has a Host, and the field lines given."""
    return parse_request_head(b"\r\n".join([line, b"Host: " + host, *fields, b"", b""]), LIMITS)


def refusal(block: bytes) -> str:
    """Return the reason code with which a request head is refused."""
    with pytest.raises(RequestError) as caught:
        parse_request_head(block, LIMITS)
    return caught.value.reason.code


def refused(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> str:
    """Return the reason code for a request with a good Host and these field lines."""
    return refusal(b"\r\n".join([line, b"Host: a", *fields, b"", b""]))


def response(
    *fields: bytes, line: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET"
) -> ResponseHead:
    """Parse a response with the field lines given."""
    return parse_response_head(b"\r\n".join([line, *fields, b"", b""]), method, LIMITS)


def response_refused(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> str:
    """Return for which rule a response is refused."""
    with pytest.raises(ResponseError) as caught:
        response(*fields, line=line)
    return caught.value.detail
