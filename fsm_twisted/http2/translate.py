"""
Heads of HTTP/2 into the vocabulary that HTTP/1 shares (RFC 9113 section 8.3).

What could split or smuggle a request once it is written as HTTP/1.1 is refused here, by the same
grammar of method, target, authority and length as there.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from fsm_twisted.http2.decoder import FieldList
from fsm_twisted.http2.errors import StreamFault, malformed
from fsm_twisted.http2.events import (
    RequestReceived,
    RequestRefused,
    ResponseReceived,
    UsualRequest,
)
from fsm_twisted.http2.kinds import (
    AUTHORITY,
    CLAIM,
    COOKIE,
    EXPECT,
    HOST,
    LENGTH,
    MALFORMED,
    METHOD,
    ORDINARY,
    PATH,
    PROTOCOL,
    SCHEME,
    STATUS,
    TE,
    is_trailer,
)
from fsm_twisted.http2.limits import Limits
from fsm_twisted.message.authority import Authority, AuthorityError, Origin, parse_authority
from fsm_twisted.message.fields import Field, Fields
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Framing, Sized, is_empty
from fsm_twisted.message.heads import RequestHead, ResponseHead
from fsm_twisted.message.target import Target, TargetError, parse_target
from fsm_twisted.snapshot.reasons import REPLIES

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_USUAL_METHODS: Final = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}
)
# What says of these that there is no body: without it, HTTP/1 servers may ask for a length (411).
_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})
_SCHEMES: Final = (b"https", b"http")
# What makes neither a query nor, unless it follows a slash, a dot segment: 0x21-0x7e without "#",
# "%" and "?".
_USUAL_BYTES: Final = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"#%?")
_USUAL_PSEUDO: Final = 4  # :method, :scheme, :path, :authority
_WITHOUT_BODY: Final = frozenset({b"GET", b"DELETE"})
_STATUS: Final = re.compile(rb"[1-5][0-9]{2}")
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_SWITCHING: Final = 101
_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304

_NEEDED: Final = frozenset({METHOD, SCHEME, PATH})
_PSEUDO: Final = _NEEDED | {AUTHORITY}

Marked = dict[int, Field]
"""Kind -> the field of that kind; crumbs of Cookie are one."""


class _Refusal(Exception):
    """The head is well-formed and yet not acceptable; the arguments: code of REPLIES, detail."""


def refused(stream: int, code: str, detail: str, *, end: bool) -> RequestRefused:
    """Make the event for a request that is to be answered with the reason called *code*."""
    return RequestRefused(stream, REPLIES[code], detail, end)


def usual_request(stream: int, listed: FieldList, limits: Limits) -> UsualRequest | None:
    """
    Make the event for the head of a usual request that ends its stream; None if it is another.

    That is no verdict: `request_event` then says what it is.
    """
    marked = listed.marked
    size = len(marked)
    found = dict(marked)
    if (
        size != len(found)
        or listed.is_mixed
        or not found.keys() >= _PSEUDO
        or (size > _USUAL_PSEUDO and marked[_USUAL_PSEUDO:] != [(COOKIE, found.get(COOKIE))])
    ):
        return None
    event = UsualRequest()
    event.stream = stream
    event.method = method = found[METHOD][1]
    event.scheme = found[SCHEME][1]
    event.target = path = found[PATH][1]
    if method not in _WITHOUT_BODY or event.scheme not in _SCHEMES:
        return None
    try:
        if len(path) > limits.target_bytes or path[:1] != b"/" or path.find(b"/.") >= 0:
            unusual = b"#"
        else:
            unusual = path.translate(None, _USUAL_BYTES)
        if not unusual:
            event.path, event.query = path, None
        elif unusual == b"?":
            event.path, _, event.query = path.partition(b"?")
        else:
            target = _target(method, path, limits)
            event.path, event.query = target.path, target.query
        event.authority = _parsed(found[AUTHORITY][1])
    except (_Refusal, StreamFault):
        return None
    if size > _USUAL_PSEUDO:
        listed.fields.append(found[COOKIE])
    event.fields = tuple(listed.fields)
    return event


def request_event(
    stream: int, listed: FieldList, limits: Limits, *, end: bool
) -> RequestReceived | RequestRefused:
    """
    Make the event for the head of a request, whose kinds are of `REQUEST_KINDS`.

    Raises:
        StreamFault: The head is malformed.
    """
    marked = dict(listed.marked)
    if listed.is_mixed or MALFORMED in marked:
        raise _malformed_fields(listed)
    try:
        if len(marked) != len(listed.marked):
            _merge(listed.marked, marked)
        head = _request_head(listed, marked, limits, end=end)
    except _Refusal as refusal:
        code, detail = refusal.args
        return refused(stream, code, detail, end=end)
    return RequestReceived(stream, head, end, marked[SCHEME][1], TE in marked)


def _malformed_fields(listed: FieldList) -> StreamFault:
    if listed.is_mixed:
        return malformed("a pseudo-header field behind another field")
    return malformed("a field name or value that cannot be, or a field of HTTP/1.1 only")


def _merge(fields: list[tuple[int, Field]], marked: Marked) -> None:
    """Decide about fields that come several times, of which *marked* has the last one."""
    several = {kind for kind, count in Counter(kind for kind, _ in fields).items() if count > 1}
    if min(several) < ORDINARY or LENGTH in several:
        raise malformed("a pseudo-header field or Content-Length is repeated")
    if COOKIE in several:
        crumbs = [field[1] for kind, field in fields if kind == COOKIE and field[1]]
        marked[COOKIE] = b"cookie", b"; ".join(crumbs)
    if HOST in several:
        raise _Refusal("bad_host", "Host is repeated")
    if EXPECT in several:
        raise _Refusal("expectation_unknown", "Expect is repeated")
    if TE in several:
        marked[TE] = b"te", b",".join(field[1] for kind, field in fields if kind == TE)


def _request_head(listed: FieldList, marked: Marked, limits: Limits, *, end: bool) -> RequestHead:
    upgrade = None
    method = marked[METHOD][1] if METHOD in marked else b""
    if PROTOCOL in marked or method == b"CONNECT":
        upgrade = _check_connect(marked, limits, end=end)
        method = b"GET"
    if not marked.keys() >= _NEEDED:
        raise malformed("without one of :method, :scheme and :path")
    if marked[SCHEME][1] not in _SCHEMES:
        marked[SCHEME] = b":scheme", _scheme(marked[SCHEME][1])
    if method not in _USUAL_METHODS:
        _check_method(method)
    framing: Framing = NO_BODY if upgrade else CHUNKED
    if end:
        framing = Sized(0) if method in _WITH_BODY else NO_BODY
    claims: Fields = ()
    expects = False
    if listed.marked[-1][0] > ORDINARY:
        if LENGTH in marked:
            framing = _request_framing(marked[LENGTH][1], end=end)
        expects = _special(listed, marked, framing)
        claims = tuple([field for kind, field in listed.marked if kind == CLAIM])
    return RequestHead(
        method,
        _target(method, marked[PATH][1], limits),
        _authority(marked),
        1,
        tuple(listed.fields),
        claims,
        framing,
        True,  # noqa: FBT003 - persistent: streams come and go
        expects,
        upgrade,
    )


def _special(listed: FieldList, marked: Marked, framing: Framing) -> bool:
    """Put back what goes on of the special fields; tell whether the client waits for 100."""
    expects = False
    if TE in marked and set(marked[TE][1].lower().split(b",")) != {b"trailers"}:
        raise malformed("a TE other than trailers")
    if EXPECT in marked:
        if marked[EXPECT][1].lower() != b"100-continue":
            raise _Refusal("expectation_unknown", "an Expect other than 100-continue")
        if not is_empty(framing):
            expects = True
            listed.fields.append(marked[EXPECT])
    if COOKIE in marked:
        listed.fields.append(marked[COOKIE])
    return expects


def _check_connect(marked: Marked, limits: Limits, *, end: bool) -> bytes:
    """Allow only the extended CONNECT for WebSocket, RFC 8441 section 4."""
    is_connect = METHOD in marked and marked[METHOD][1] == b"CONNECT"
    if not is_connect or (PROTOCOL in marked and not limits.extended_connect):
        raise malformed(":protocol without CONNECT, or without our offering it")
    if PROTOCOL not in marked:
        if SCHEME in marked or PATH in marked or AUTHORITY not in marked:
            raise malformed("CONNECT with :scheme or :path, or without :authority")
        raise _Refusal("method_refused", "CONNECT and TRACE are not forwarded")
    if not {SCHEME, PATH, AUTHORITY} <= marked.keys():
        raise malformed("an extended CONNECT without :scheme, :path or :authority")
    if marked[PROTOCOL][1].lower() != b"websocket":
        raise _Refusal("method_refused", "an extended CONNECT for another protocol")
    if end or LENGTH in marked:
        raise _Refusal("bad_framing", "an extended CONNECT with a length, or ended at once")
    return b"websocket"


def _scheme(sent: bytes) -> bytes:
    scheme = sent.lower()
    if scheme not in _SCHEMES:
        raise _Refusal("bad_target", "a scheme other than http and https")
    return scheme


def _check_method(method: bytes) -> None:
    if _METHOD.fullmatch(method) is None:
        raise malformed("the method is no token")
    if method == b"TRACE":
        raise _Refusal("method_refused", "CONNECT and TRACE are not forwarded")


def _target(method: bytes, path: bytes, limits: Limits) -> Target:
    if len(path) > limits.target_bytes:
        raise _Refusal("target_too_long", f":path is over {limits.target_bytes} bytes")
    if path[:1] == b"/" and path.find(b"/.") < 0:
        unusual = path.translate(None, _USUAL_BYTES)
        if not unusual:
            return Target(path, None)
        if unusual == b"?":
            plain, _, query = path.partition(b"?")
            return Target(plain, query)
    if not path:
        raise malformed(":path is empty")
    try:
        target, origin = parse_target(method, path)
    except TargetError as fault:
        raise _Refusal("bad_target", str(fault)) from None
    if origin is not None:
        raise _Refusal("bad_target", ":path is neither origin-form nor an asterisk")
    return target


def _parsed(value: bytes) -> Authority:
    try:
        return parse_authority(value)
    except AuthorityError as fault:
        raise _Refusal("bad_host", str(fault)) from None


def _authority(marked: Marked) -> Authority:
    """Decide who is asked: :authority, or Host, which must not differ (section 8.3.1)."""
    given = marked.get(AUTHORITY) or marked.get(HOST)
    if given is None:
        raise _Refusal("bad_host", "neither :authority nor Host")
    authority = _parsed(given[1])
    if HOST in marked and AUTHORITY in marked:
        origin = Origin(marked[SCHEME][1], authority)
        if not origin.is_of(_parsed(marked[HOST][1])):
            raise _Refusal("bad_host", "Host differs from :authority")
    return authority


def _length(value: bytes) -> int:
    if _DIGITS.fullmatch(value) is None:
        raise malformed("Content-Length is no number of at most 18 digits")
    return int(value)


def _request_framing(sent: bytes, *, end: bool) -> Framing:
    length = _length(sent)
    if end and length:
        raise malformed("Content-Length and no body")
    return Sized(length)


def response_event(
    stream: int, listed: FieldList, request_method: bytes, *, end: bool
) -> ResponseReceived:
    """
    Make the event for the head of a response, whose kinds are of `RESPONSE_KINDS`.

    Raises:
        StreamFault: The head is malformed.
    """
    marked = dict(listed.marked)
    if listed.is_mixed or MALFORMED in marked:
        raise _malformed_fields(listed)
    code = marked[STATUS][1] if STATUS in marked else b""
    if _STATUS.fullmatch(code) is None:
        raise malformed(":status is missing or not from 100 to 599")
    if len(marked) != len(listed.marked):
        _merge(listed.marked, marked)
    status = int(code)
    length = _length(marked[LENGTH][1]) if LENGTH in marked else None
    if status == _SWITCHING or (status < _OK and end):
        raise malformed("status 101, or an interim response that ends the stream")
    declared = None
    framing: Framing
    if request_method == b"HEAD" or status < _OK or status in (_NO_CONTENT, _NOT_MODIFIED):
        framing = NO_BODY
        if status >= _OK and status != _NO_CONTENT:
            declared = length
    elif length is not None:
        if end and length:
            raise malformed("Content-Length and no body")
        framing = Sized(length)
    else:
        framing = NO_BODY if end else CHUNKED
    head = ResponseHead(
        status,
        b"",
        1,
        tuple(listed.fields),
        framing,
        True,  # noqa: FBT003 - persistent: streams come and go
        None,
        declared,
    )
    return ResponseReceived(stream, head, end)


def trailer_fields(listed: FieldList) -> Fields:
    """
    Return the trailers that may go on: nothing of framing, routing or who the client is.

    Raises:
        StreamFault: The trailers are malformed.
    """
    if any(kind == MALFORMED or kind < ORDINARY for kind, _ in listed.marked):
        raise malformed("trailers with a pseudo-header field or a field that cannot be")
    return tuple(field for field in listed.fields if is_trailer(field[0]))
