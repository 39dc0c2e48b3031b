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
from fsm_twisted.message.target import DOT, PERCENT, has_dot_segment

# Of a token only these: punctuation could make a look-alike of a special name (X_Real_IP).
_NAME: Final = b"-" + (string.digits + string.ascii_letters).encode("ascii")
_VALUE: Final = rb":[\t\x20-\x7e\x80-\xff]*+"
# Up to the end of its line, whatever is in it: quicker, where `_are_lines` has the last word.
_UNCHECKED: Final = rb":[^\r]*+"

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


def any_case(text: bytes) -> bytes:
    """Return the pattern of lower-case *text* in any spelling; flags would make it slower."""
    return b"".join(
        b"[%c%c]" % (byte, byte - 32) if 97 <= byte <= 122 else re.escape(bytes([byte]))  # noqa: PLR2004
        for byte in text
    )


def _ordinary_line(value: bytes, names: Iterable[bytes], prefixes: Iterable[bytes] = ()) -> bytes:
    """Return the pattern of a field line whose name is none of *names* and has no such prefix."""
    rests: dict[bytes, list[bytes]] = {}
    for special in (*(each + b":" for each in names), *prefixes):
        rests.setdefault(special[:1], []).append(any_case(special[1:]))
    harmless = bytes(c for c in _NAME if bytes([c]).lower() not in rests)
    # The first letters of most fields that are sent come first.
    suspect = sorted(rests, key=lambda first: (first not in b"cu", first))
    # One alternative for each case: what begins with one certain octet is ruled out by that.
    begin = b"|".join(
        [b"[%b]" % re.escape(harmless)]
        + [
            b"%b(?!%b)" % (letter, b"|".join(rests[first]))
            for first in suspect
            for letter in (first.upper(), first)
        ]
    )
    return rb"\r\n(?:%b)[%b]*+%b" % (begin, re.escape(_NAME), value)


_ASKED: Final = _ordinary_line(_UNCHECKED, _REQUEST_NAMES, _REQUEST_PREFIXES)
_ANSWERED: Final = _ordinary_line(_VALUE, _RESPONSE_NAMES)
_KEPT_ALIVE: Final = rb"\r\n[Cc]onnection: ?[Kk]eep-[Aa]live"
_KEPT_ALIVE_SO_LONG: Final = rb"%b(?:\r\n[Kk]eep-[Aa]live%b)?" % (_KEPT_ALIVE, _VALUE)
_LENGTH: Final = rb"\r\n[Cc]ontent-[Ll]ength: ?"

# Two runs of lines never stand side by side: they could be divided in as many ways as there are
# lines, and a head that does not match would take quadratic time (seconds for 16 KiB). There is
# always a line between them that neither can be.


def _with_connection(line: bytes, connection: bytes) -> bytes:
    return rb"(?:%b)*(?:(%b)(?:%b)*)?" % (line, connection, line)


_BEGIN_REQUEST: Final = (
    rb"(%b) (/[!\"$-~]*+) HTTP/1\.1(?:%b)*\r\n[Hh]ost: ?([A-Za-z0-9._:\[\]-]++)"
)
_LINES: Final = _with_connection(_ASKED, _KEPT_ALIVE)
USUAL_REQUEST: Final = re.compile(
    rb"%b%b\r\n\r\n" % (_BEGIN_REQUEST % (b"GET|HEAD|DELETE", _ASKED), _LINES)
)
"""
A whole request head without a body; use `usual_request`, which looks at the values.

Groups: method, target in origin-form, Host, and the field line ``Connection: keep-alive`` with
the CRLF before it, if there is one behind Host.
"""

# Not those methods that are repeated although the endpoint may have seen them (`proxy.retry`).
USUAL_SENDING: Final = re.compile(
    rb"%b%b%b([0-9]{1,15}+)%b\r\n\r\n"
    % (_BEGIN_REQUEST % (b"POST|PUT|PATCH|DELETE", _ASKED), _LINES, _LENGTH, _LINES)
)
"""The same with Content-Length (group 5) between two places for Connection (groups 4 and 6)."""

USUAL_BODILESS: Final = re.compile(
    rb"%b%b\r\n\r\n" % (_BEGIN_REQUEST % (b"POST|PUT|PATCH", _ASKED), _LINES)
)
"""`USUAL_REQUEST` for methods that hardly ever come without a body: that is looked for first."""

# What browsers ask before a request of another origin's; with Max-Forwards it is ours to answer.
_ASKED_FOR_OPTIONS: Final = _ordinary_line(
    _UNCHECKED, (*_REQUEST_NAMES, b"max-forwards"), _REQUEST_PREFIXES
)
USUAL_OPTIONS: Final = re.compile(
    rb"%b%b\r\n\r\n"
    % (
        _BEGIN_REQUEST % (b"OPTIONS", _ASKED_FOR_OPTIONS),
        _with_connection(_ASKED_FOR_OPTIONS, _KEPT_ALIVE),
    )
)
"""`USUAL_REQUEST` for one more method, with the same groups."""

_ANSWER_LINES: Final = _with_connection(_ANSWERED, _KEPT_ALIVE_SO_LONG)
# The space behind the status is sent even where no reason follows (RFC 9112 section 4).
_BEGIN_ANSWER: Final = rb"HTTP/1\.1 (%b) [\t\x20-\x7e\x80-\xff]*+"
_FULL: Final = rb"[23](?:[1-9][0-9]|0[012356789])|[45][0-9][0-9]"
_CODING: Final = rb"\r\n[Tt]ransfer-[Ee]ncoding: ?chunked"
USUAL_RESPONSE: Final = re.compile(
    rb"%b%b(?:%b([0-9]{1,15}+)|%b)%b\r\n\r\n"
    % (_BEGIN_ANSWER % _FULL, _ANSWER_LINES, _LENGTH, _CODING, _ANSWER_LINES)
)
"""
A response head with a length or the chunked coding, not 1xx, 204 or 304; use `usual_answer`.

Groups: status, ``Connection: keep-alive`` with its CRLF and a Keep-Alive behind it before the
length, Content-Length in bytes (none where there are chunks), and the same Connection after it.
"""

USUAL_BARE: Final = re.compile(
    rb"%b%b()(?:(?!)())?\r\n\r\n" % (_BEGIN_ANSWER % b"204|304", _ANSWER_LINES)
)
"""The same without a body, nor a length: that group is empty, and the last one is never there."""

_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8}+)\r\n")
_MOST_CHUNKS: Final = 16  # looked for here: the general road is as quick with many

# All that may be in a field line, but for the CRLF that ends it.
_IN_LINES: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_CRLFS: Final = b"\r\n" * 512


def _are_lines(head: bytes) -> bool:
    """Return whether *head* has no control characters but CRLF and tabs (and not 512 lines)."""
    return _CRLFS.startswith(head.translate(None, _IN_LINES))


Usual = tuple[bytes, bytes, bytes, bytes, int, int, int]
"""
Method, target, its path, Host as sent, and three places.

Where Connection is to be cut out, from the beginning of its line to that of the next one (where
the empty line begins when there is none), and where the head ends.
"""


def usual_request(data: bytes, limits: HeadLimits) -> Usual | None:
    """
    Recognise one usual request, whole and alone in *data*; its authority has yet to be parsed.

    ``data[:begin] + data[cut:end]`` is what may go on of its head, where these are the last three
    of what is returned; other field lines may stand between the two. The rest is its body.
    """
    found = USUAL_REQUEST.fullmatch(data)
    if found is None:
        if data.startswith(b"GET "):
            return None
        sending = _usual_sending(data, limits)
        if sending is not None:
            return sending
        found = USUAL_BODILESS.fullmatch(data) or USUAL_OPTIONS.fullmatch(data)
        if found is None:
            return None
    method, target, authority, connection = found.groups()
    path, size = target.partition(b"?")[0], len(data)
    if (
        ((DOT in path or PERCENT in path) and has_dot_segment(path))
        or not _are_lines(data)
        or (size > limits.harmless_bytes and is_unusual_size(data, size, limits))
    ):
        return None
    if connection is None:
        return method, target, path, authority, size - 2, size - 2, size
    begin, cut = found.span(4)
    return method, target, path, authority, begin + 2, cut + 2, size


def forwarded(data: bytes, found: Usual, fields: bytes, identity: bytes) -> bytes:
    """
    Return the usual request *data* as an endpoint gets it.

    Args:
        data: The request as it came.
        found: What `usual_request` has said of it.
        fields: Field lines of ours that all requests of its client have.
        identity: Its X-Request-ID.
    """
    _, _, _, authority, begin, cut, _ = found
    return b"".join((
        data[:begin], fields, b"X-Forwarded-Host: ", authority,
        b"\r\nX-Request-ID: ", identity, b"\r\n", data[cut:],
    ))  # fmt: skip


def _usual_sending(data: bytes, limits: HeadLimits) -> Usual | None:
    """Recognise a usual request with a body of known length, all of it in *data*."""
    found = USUAL_SENDING.match(data)
    if found is None:
        return None
    method, target, authority, before, length, after = found.groups()
    path, end = target.partition(b"?")[0], found.end()
    if (
        len(data) - end != int(length)
        or (before is not None and after is not None)
        or ((DOT in path or PERCENT in path) and has_dot_segment(path))
        or not _are_lines(data[:end])
        or (end > limits.harmless_bytes and is_unusual_size(data, end, limits))
    ):
        return None
    if before is None and after is None:
        return method, target, path, authority, end - 2, end - 2, end
    begin, cut = found.span(4 if before is not None else 6)
    return method, target, path, authority, begin + 2, cut + 2, end


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
    Take the response *data* apart, None when it is not usual as in `usual_answer` to a GET.

    One without a body or in chunks is not usual here.

    Returns:
        Its status; its field lines, *server* and *date* among them where there are none; and
        where its body begins. Connection, Keep-Alive and Content-Length are still there.
    """
    found = USUAL_RESPONSE.match(data)
    if found is None or found[3] is None:
        return None
    end = found.end()
    if len(data) - end != int(found[3]) or (
        end > limits.harmless_bytes and is_unusual_size(data, end, limits)
    ):
        return None
    own = _missing(data, end, server, date)
    lines = (data[: end - 2] + own)[:-2] if own else data[: end - 4]
    return int(found[1]), lines.split(b"\r\n")[1:], end


def usual_answer(
    data: bytes, method: bytes, limits: HeadLimits, server: bytes, date: bytes
) -> bytes | None:
    """
    Return what a client gets for the response *data*, None when it is not usual.

    It is usual when it is whole and ends with the read. Its bytes go on as they are, without
    ``Connection: keep-alive``.

    Args:
        data: What was read, from the status line on.
        method: What was asked.
        limits: Over which the strict parser decides.
        server: The field line to add when there is no Server.
        date: The field line to add when there is no Date.
    """
    found = USUAL_RESPONSE.match(data) or USUAL_BARE.match(data)
    if found is None:
        return None
    end = found.end()
    _, before, length, after = found.groups()
    if length and method != b"HEAD":
        is_whole = len(data) - end == int(length)
    else:
        is_whole = _is_whole_otherwise(data, method, end, length)
    if (
        not is_whole
        or (before is not None and after is not None)
        or (end > limits.harmless_bytes and is_unusual_size(data, end, limits))
    ):
        return None
    own = _missing(data, end, server, date)
    if before is None and after is None:
        return b"".join((data[: end - 2], own, data[end - 2 :])) if own else data
    first, last = found.span(2 if before is not None else 4)
    if not own:
        return data[:first] + data[last:]
    return b"".join((data[:first], data[last : end - 2], own, data[end - 2 :]))


def _is_whole_otherwise(data: bytes, method: bytes, end: int, length: bytes | None) -> bool:
    """Return whether an answer has no body behind its head, or all of it in chunks."""
    if length is None:
        return method != b"HEAD" and _is_one_body(data, end)
    return len(data) == end


def _is_one_body(data: bytes, at: int) -> bool:
    """Return whether a few chunks, from *at* to the end, are one body, with nothing else."""
    for _ in range(_MOST_CHUNKS):
        line = _CHUNK.match(data, at)
        if line is None:
            return False
        at = line.end() + int(line[1], 16) + 2
        if data[at - 2 : at] != b"\r\n":
            return False
        if at == line.end() + 2:  # the last one is empty
            return at == len(data)
    return False


def _missing(data: bytes, end: int, server: bytes, date: bytes) -> bytes:
    """Return those of our field lines that the head ``data[:end]`` lacks."""
    if data.find(b"\nServer:", 0, end) >= 0 and data.find(b"\nDate:", 0, end) >= 0:
        return b""
    names = data[:end].lower()
    own = b"" if b"\nserver:" in names else server
    return own if b"\ndate:" in names else own + date
