"""
The usual heads, recognised by one regular expression each (design decision D2).

What matches has, by its very form, the meaning that the strict parser would find, and nothing in
it is for this hop but a ``Connection: keep-alive``: so the very bytes that were checked may go on.
What does not match is not wrong, only unusual; the strict parser decides. The law that ties the
two together is tests/http1/test_usual.py.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import Final

from fsm_twisted.http1.syntax import HeadLimits

# Of a token only these: punctuation could make a look-alike of a special name (X_Real_IP).
_NAME: Final = b"-" + (string.digits + string.ascii_letters).encode("ascii")
_VALUE: Final = rb":[\t\x20-\x7e\x80-\xff]*+"

# Whatever the strict parser gives a meaning for this hop, beginnings included: with these the
# general road is taken.
_REQUEST_NAMES: Final = (
    b"host", b"http2-settings", b"connection", b"content-length", b"transfer-encoding",
    b"te", b"trailer", b"upgrade", b"expect", b"keep-alive", b"proxy", b"proxy-connection",
    b"forwarded", b"x-real-ip", b"x-request-id",
)  # fmt: skip
_REQUEST_PREFIXES: Final = (b"x-forwarded",)
_RESPONSE_NAMES: Final = (
    b"connection", b"content-length", b"transfer-encoding", b"te", b"trailer", b"upgrade",
    b"keep-alive", b"proxy-connection", b"http2-settings",
)  # fmt: skip


def _any_case(text: bytes) -> bytes:
    return b"".join(
        b"[%c%c]" % (byte, byte - 32) if 97 <= byte <= 122 else re.escape(bytes([byte]))  # noqa: PLR2004
        for byte in text
    )


def _ordinary_line(names: Iterable[bytes], prefixes: Iterable[bytes] = ()) -> bytes:
    """Return the pattern of a field line whose name is none of *names* and has no such prefix."""
    names, prefixes = tuple(names), tuple(prefixes)
    begin = {each[:1] for each in (*names, *prefixes)}
    suspect = bytes(c for c in _NAME if bytes([c]).lower() in begin)
    harmless = bytes(c for c in _NAME if bytes([c]).lower() not in begin)
    special = b"|".join(
        [_any_case(each) + b":" for each in names] + [_any_case(each) for each in prefixes]
    )
    return b"(?:[%b]|(?!%b)[%b])[%b]*+%b" % (
        re.escape(harmless),
        special,
        re.escape(suspect),
        re.escape(_NAME),
        _VALUE,
    )


_ASKED: Final = _ordinary_line(_REQUEST_NAMES, _REQUEST_PREFIXES)
_ANSWERED: Final = _ordinary_line(_RESPONSE_NAMES)
_KEPT_ALIVE: Final = rb"\r\n[Cc]onnection: ?[Kk]eep-[Aa]live"

# One run of lines at a time, whose alternatives exclude each other: two runs side by side could be
# divided in as many ways as there are lines, and a head that does not match would take quadratic
# time (seconds for 16 KiB). So a group may have matched more than once; the number of Connection
# lines is counted.
USUAL_REQUEST: Final = re.compile(
    rb"(GET|POST|PUT|DELETE|PATCH) (/[!\"$-~]*+) HTTP/1\.1"
    rb"(?:\r\n%b)*\r\n[Hh]ost: ?([A-Za-z0-9.:-]++)(?:\r\n%b|(%b))*\r\n\r\n"
    % (_ASKED, _ASKED, _KEPT_ALIVE)
)
"""
A whole request head without a body; use `usual_request`.

Groups: method, target in origin-form, Host, and the (last) field line ``Connection: keep-alive``
with the CRLF before it, if there is one behind Host.
"""

USUAL_RESPONSE: Final = re.compile(
    rb"HTTP/1\.1 ([2345](?:[1-9][0-9]|0[012356789]))(?: [\t\x20-\x7e\x80-\xff]*+)?"
    rb"(?:\r\n%b|(%b))*\r\n[Cc]ontent-[Ll]ength: ?([0-9]{1,15}+)(?:\r\n%b|(%b))*\r\n\r\n"
    % (_ANSWERED, _KEPT_ALIVE, _ANSWERED, _KEPT_ALIVE)
)
"""
A response head with a length, not 204 or 304 (nor 101); use `usual_answer`.

Groups: status, the (last) ``Connection: keep-alive`` with its CRLF before the length,
Content-Length in bytes, and the same Connection line after it.
"""


Usual = tuple[bytes, bytes, bytes, bytes, int, int]
"""Method, target, its path, Host as sent, and where to cut: its Connection line, or nothing."""


def usual_request(data: bytes, limits: HeadLimits) -> Usual | None:
    """
    Recognise one usual request, whole and alone in *data*; its authority has yet to be parsed.

    ``data[:begin] + data[end:]`` is what may go on, where *begin* and *end* are the last two of
    what is returned.
    """
    found = USUAL_REQUEST.fullmatch(data)
    if found is None:
        return None
    method, target, authority, connection = found.groups()
    path = target.partition(b"?")[0]
    if b"/." in path or b"%" in path:
        return None  # there could be a dot segment
    size = len(data)
    if size > limits.harmless_bytes and is_unusual_size(data, size, limits):
        return None
    if connection is None:
        return method, target, path, authority, size - 2, size - 2
    if data.count(b"onnection:") > 1:
        return None
    begin, end = found.span(4)
    return method, target, path, authority, begin, end


def is_unusual_size(head: bytes, end: int, limits: HeadLimits) -> bool:
    """
    Return whether the head in ``head[:end]`` could be over a limit.

    The strict parser then says whether it is.
    """
    if end > limits.line_bytes or end > limits.head_bytes:
        return True
    return head.count(b"\n", 0, end) > limits.fields + 2


def usual_parts(
    data: bytes, limits: HeadLimits, server: bytes, date: bytes
) -> tuple[int, list[bytes], int] | None:
    """
    Take the response *data* apart, None when it is not usual as in `usual_answer`.

    Returns:
        Its status; its field lines, *server* and *date* among them where there are none; and
        where its body begins. Connection and Content-Length are still there.
    """
    found = USUAL_RESPONSE.match(data)
    if found is None:
        return None
    end = found.end()
    if len(data) - end != int(found[3]) or (
        end > limits.harmless_bytes and is_unusual_size(data, end, limits)
    ):
        return None
    own = _missing(data, end, server, date)
    lines = (data[: end - 2] + own)[:-2] if own else data[: end - 4]
    return int(found[1]), lines.split(b"\r\n")[1:], end


def usual_answer(data: bytes, limits: HeadLimits, server: bytes, date: bytes) -> bytes | None:
    """
    Return what a client gets for the response *data*, None when it is not usual.

    It is usual when it is whole and ends with the read. Its bytes go on as they are, without
    ``Connection: keep-alive``.

    Args:
        data: What was read, from the status line on.
        limits: Over which the strict parser decides.
        server: The field line to add when there is no Server.
        date: The field line to add when there is no Date.
    """
    found = USUAL_RESPONSE.match(data)
    if found is None:
        return None
    end = found.end()
    before, after = found.group(2, 4)
    if len(data) - end != int(found[3]) or (
        (before is not None or after is not None) and data.count(b"onnection:", 0, end) > 1
    ):
        return None
    if end > limits.harmless_bytes and is_unusual_size(data, end, limits):
        return None
    own = _missing(data, end, server, date)
    if before is None and after is None:
        if not own:
            return data
        return b"".join((data[: end - 2], own, data[end - 2 :]))
    first, last = found.span(2 if before is not None else 4)
    return b"".join((data[:first], data[last : end - 2], own, data[end - 2 :]))


def _missing(data: bytes, end: int, server: bytes, date: bytes) -> bytes:
    """Return those of our field lines that the head ``data[:end]`` lacks."""
    if data.find(b"\nServer:", 0, end) >= 0 and data.find(b"\nDate:", 0, end) >= 0:
        return b""
    names = data[:end].lower()
    own = b"" if b"\nserver:" in names else server
    return own if b"\ndate:" in names else own + date
