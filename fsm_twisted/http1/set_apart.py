"""
Heads that are usual but for some lines: these are set apart, and `usual` looks at the rest.

Which lines, and what they mean, the strict parser's own tables and functions say; here they are
only found. So what is set apart has the meaning that the law finds, and what is left is usual, or
else the general road is taken. The law that ties them together is tests/http1/test_set_apart.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from fsm_twisted.http1.special import (
    CLAIM,
    CONNECTION,
    DROPPED,
    NO_OPTIONS,
    REQUEST_NAMES,
    RESPONSE_NAMES,
    UPGRADE,
    ConnectionOptions,
    SpecialNames,
    connection_options,
    tokens,
)
from fsm_twisted.http1.syntax import VALUE_CLASS, HeadLimits
from fsm_twisted.http1.usual import any_case, is_unusual_size
from fsm_twisted.message.fields import Field, Fields

_HOP: Final = (b"connection", b"keep-alive", b"proxy-connection", b"upgrade")
# Sent with "Upgrade: h2c" by clients that would rather speak HTTP/2, or by what takes trailers.
_ASKED: Final = (*_HOP, b"te", b"http2-settings", b"forwarded", b"x-real-ip", b"x-request-id")
_FORWARDED: Final = any_case(b"x-forwarded") + rb"[-0-9A-Za-z]*+"
_LINE: Final = rb"\r\n(%%b):([%b]*+)(?=\r\n)" % VALUE_CLASS
_END: Final = b"\r\n\r\n"
_OLD: Final = b" HTTP/1.0"
_BLANKS: Final = b" \t"


def _lines(names: Iterable[bytes], *patterns: bytes) -> re.Pattern[bytes]:
    return re.compile(_LINE % b"|".join((*map(any_case, names), *patterns)))


_REQUEST_LINES: Final = _lines(_ASKED, _FORWARDED)
_ANSWER_LINES: Final = _lines(_HOP)
_LENGTH: Final = re.compile(rb"\r\n%b: ?([0-9]{1,15})\r\n" % any_case(b"content-length"))


@attrs.frozen
class Asked:
    """
    A request without the lines that were set apart, and what these mean.

    Attributes:
        rest: The request without them, as one of HTTP/1.1; itself where there are none.
        claims: As in `RequestHead`.
        minor: As in `RequestHead`.
        persistent: As in `RequestHead`.
    """

    rest: bytes
    claims: Fields
    minor: int
    persistent: bool


def set_apart_request(data: bytes, limits: HeadLimits) -> Asked | None:
    """
    Set apart what is not for the endpoint in the request *data*, whose head is whole.

    None for what only the strict parser can decide. Whether the rest is usual remains to be seen.
    """
    end = data.find(_END) + 2
    if end < len(_END) or is_unusual_size(data, end + 2, limits):
        return None
    parts = _REQUEST_LINES.split(data[:end])
    claims: list[Field] = []
    options = _sort(parts, REQUEST_NAMES, claims)
    if options is None:
        return None
    minor, version_end = 1, data.find(b"\r\n")
    if data[version_end - len(_OLD) : version_end] == _OLD:
        minor = 0
        begin = parts[0]
        parts[0] = b"%b1%b" % (begin[: version_end - 1], begin[version_end:])
    if minor and len(parts) == 1:
        return Asked(data, (), 1, persistent=True)
    rest = b"".join((*parts[::3], data[end:]))
    persistent = not options.close and (minor == 1 or options.keep_alive)
    return Asked(rest, tuple(claims), minor, persistent)


def set_apart_answer(data: bytes, limits: HeadLimits) -> tuple[bytes, bool] | None:
    """
    Set apart what is not for the client in the answer *data*, whose head is whole.

    None for what only the strict parser can decide, and where there is nothing of that kind: the
    answer is then as usual as it was. Whether the rest is usual remains to be seen.

    Returns:
        The answer without those lines, and `ResponseHead.persistent` of one of HTTP/1.1.
    """
    end = data.find(_END) + 2
    if end < len(_END) or is_unusual_size(data, end + 2, limits):
        return None
    parts = _ANSWER_LINES.split(data[:end])
    if len(parts) == 1:
        return None
    options = _sort(parts, RESPONSE_NAMES, [])
    if options is None:
        return None
    return b"".join((*parts[::3], data[end:])), not options.close


def is_begun(data: bytes, method: bytes) -> bool:
    """
    Tell whether *data* lacks bytes of the answer to *method* that its Content-Length promises.

    Nothing needs to be set apart then: only a whole answer is usual.
    """
    end = data.find(_END)
    found = _LENGTH.search(data, 0, end + 2)
    return found is not None and method != b"HEAD" and len(data) - end - 4 < int(found[1])


def _sort(
    parts: list[bytes], names: SpecialNames, claims: list[Field]
) -> ConnectionOptions | None:
    """
    Say what the lines that were set apart mean for this hop; put claims among *claims*.

    Args:
        parts: Of a head; every second and third of three are name and value of such a line.
        names: The law's table of names.
        claims: As in `RequestHead`.

    Returns:
        None where a line means more: another line is listed away, or a WebSocket is asked for.
    """
    connection: list[bytes] = []
    protocols: list[bytes] = []
    for name, value in zip(parts[1::3], parts[2::3], strict=True):
        kind = names[name]
        if kind == CLAIM:
            claims.append((name, value.strip(_BLANKS)))
        elif kind == CONNECTION:
            connection.append(value.strip(_BLANKS))
        elif kind == UPGRADE:
            protocols.append(value)
        elif kind != DROPPED:
            return None
    options = connection_options(tuple(connection)) if connection else NO_OPTIONS
    if options is None or options.nominated:
        return None
    if protocols and options.upgrade and b"websocket" in (tokens(protocols) or ()):
        return None
    return options
