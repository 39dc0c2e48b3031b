"""
Heads of HTTP/2 into the vocabulary that HTTP/1 shares (RFC 9113 section 8.3).

What could split or smuggle a request once it is written as HTTP/1.1 is refused here, by the same
grammar of method, target, authority and length as there.
"""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.http2.decoder import Entry
from fsm_twisted.http2.errors import malformed
from fsm_twisted.http2.events import RequestReceived, RequestRefused, ResponseReceived
from fsm_twisted.http2.kinds import (
    AUTHORITY,
    CLAIM,
    COOKIE,
    DROPPED,
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
from fsm_twisted.message.authority import Authority, AuthorityError, parse_authority
from fsm_twisted.message.fields import Field, Fields
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Framing, Sized, is_empty
from fsm_twisted.message.heads import RequestHead, ResponseHead
from fsm_twisted.message.target import Target, TargetError, has_dot_segment, parse_target
from fsm_twisted.snapshot.reasons import REPLIES

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_USUAL_METHODS: Final = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}
)
_USUAL_TARGET: Final = re.compile(
    rb"(/[\x21\x22\x24-\x3e\x40-\x7e]*+)(?:\?([\x21\x22\x24-\x7e]*+))?"
)
_STATUS: Final = re.compile(rb"[1-5][0-9]{2}")
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_SWITCHING: Final = 101
_OK: Final = 200
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304

# Kind -> the value of that pseudo-header field, or of all fields of that kind in order.
Pseudo = dict[int, bytes]
Marked = dict[int, list[bytes]]


class _Refusal(Exception):
    """The head is well-formed and yet not acceptable; the arguments: code of REPLIES, detail."""


def refused(stream: int, code: str, detail: str, *, end: bool) -> RequestRefused:
    """Make the event for a request that is to be answered with the reason called *code*."""
    return RequestRefused(stream, REPLIES[code], detail, end)


def request_event(
    stream: int, entries: list[Entry], limits: Limits, *, end: bool
) -> RequestReceived | RequestRefused:
    """
    Make the event for the head of a request, whose fields `judge_request_field` judged.

    Raises:
        StreamFault: The head is malformed.
    """
    pseudo, rest = _pseudo(entries)
    fields, claims, marked = _sort(rest)
    try:
        return _request(stream, (pseudo, fields, claims, marked), limits, end=end)
    except _Refusal as refusal:
        code, detail = refusal.args
        return refused(stream, code, detail, end=end)


def _pseudo(entries: list[Entry]) -> tuple[Pseudo, list[Entry]]:
    """Take off the pseudo-header fields, which come first and once each."""
    pseudo: Pseudo = {}
    count = 0
    for (_, value), _, kind in entries:
        if kind >= ORDINARY:
            break
        pseudo[kind] = value
        count += 1
    if len(pseudo) != count:
        raise malformed("a pseudo-header field is repeated")
    return pseudo, entries[count:]


def _sort(entries: list[Entry]) -> tuple[list[Field], list[Field], Marked]:
    """Take apart what goes on, what claims who the client is, and what has a meaning here."""
    fields: list[Field] = []
    claims: list[Field] = []
    marked: Marked = {}
    for field, _, kind in entries:
        if not kind:
            fields.append(field)
        elif kind == CLAIM:
            claims.append(field)
        elif kind == MALFORMED or kind < ORDINARY:
            raise malformed(
                "a field name or value that cannot be, or a field of HTTP/1.1 only"
                if kind == MALFORMED
                else "a pseudo-header field behind another field"
            )
        elif kind != DROPPED:
            marked.setdefault(kind, []).append(field[1])
    return fields, claims, marked


def _request(
    stream: int,
    parts: tuple[Pseudo, list[Field], list[Field], Marked],
    limits: Limits,
    *,
    end: bool,
) -> RequestReceived:
    pseudo, fields, claims, marked = parts
    method = pseudo.get(METHOD, b"")
    upgrade = None
    if PROTOCOL in pseudo or method == b"CONNECT":
        upgrade = _check_connect(pseudo, marked, limits, end=end)
        method = b"GET"
    scheme = _scheme(pseudo)
    if method not in _USUAL_METHODS:
        _check_method(method)
    target = _target(method, pseudo[PATH], limits)
    authority = _authority(pseudo.get(AUTHORITY), marked.get(HOST))
    framing = NO_BODY if upgrade else _request_framing(marked.get(LENGTH), end=end)
    expects = False
    trailers_welcome = False
    if marked:
        expects = EXPECT in marked and _expects_continue(marked[EXPECT], framing, fields)
        trailers_welcome = TE in marked and _trailers_welcome(marked[TE])
        if COOKIE in marked:
            fields.append((b"cookie", b"; ".join(marked[COOKIE])))
    head = RequestHead(
        method,
        target,
        authority,
        1,
        tuple(fields),
        tuple(claims),
        framing,
        True,  # noqa: FBT003 - persistent: streams come and go
        expects,
        upgrade,
    )
    return RequestReceived(stream, head, end, scheme, trailers_welcome)


def _check_connect(pseudo: Pseudo, marked: Marked, limits: Limits, *, end: bool) -> bytes:
    """Allow only the extended CONNECT for WebSocket, RFC 8441 section 4."""
    if pseudo.get(METHOD) != b"CONNECT" or (PROTOCOL in pseudo and not limits.extended_connect):
        raise malformed(":protocol without CONNECT, or without our offering it")
    if PROTOCOL not in pseudo:
        if SCHEME in pseudo or PATH in pseudo or AUTHORITY not in pseudo:
            raise malformed("CONNECT with :scheme or :path, or without :authority")
        raise _Refusal("method_refused", "CONNECT and TRACE are not forwarded")
    if not {SCHEME, PATH, AUTHORITY} <= pseudo.keys():
        raise malformed("an extended CONNECT without :scheme, :path or :authority")
    if pseudo[PROTOCOL].lower() != b"websocket":
        raise _Refusal("method_refused", "an extended CONNECT for another protocol")
    if end or LENGTH in marked:
        raise _Refusal("bad_framing", "an extended CONNECT with a length, or ended at once")
    return b"websocket"


def _scheme(pseudo: Pseudo) -> bytes:
    """Return the scheme of a request that has all it must have."""
    if not pseudo.keys() >= {METHOD, SCHEME, PATH} or STATUS in pseudo:
        raise malformed("a pseudo-header field is missing, or one of a response")
    scheme = pseudo[SCHEME]
    if scheme in (b"https", b"http"):
        return scheme
    if scheme.lower() in (b"https", b"http"):
        return scheme.lower()
    raise _Refusal("bad_target", "a scheme other than http and https")


def _check_method(method: bytes) -> None:
    if _METHOD.fullmatch(method) is None:
        raise malformed("the method is no token")
    if method == b"TRACE":
        raise _Refusal("method_refused", "CONNECT and TRACE are not forwarded")


def _target(method: bytes, path: bytes, limits: Limits) -> Target:
    if len(path) > limits.target_bytes:
        raise _Refusal("target_too_long", f":path is over {limits.target_bytes} bytes")
    usual = _USUAL_TARGET.fullmatch(path)
    if usual is not None:
        plain, query = usual.groups()
        if (b"/." in plain or b"%" in plain) and has_dot_segment(plain):
            raise _Refusal("bad_target", "the path has a dot segment")
        return Target(plain, query)
    if not path:
        raise malformed(":path is empty")
    try:
        target, authority = parse_target(method, path)
    except TargetError as fault:
        raise _Refusal("bad_target", str(fault)) from None
    if authority is not None:
        raise _Refusal("bad_target", ":path is neither origin-form nor an asterisk")
    return target


def _authority(named: bytes | None, hosts: list[bytes] | None) -> Authority:
    """Decide who is asked: :authority, or Host, which must not differ (section 8.3.1)."""
    if hosts is not None and len(hosts) != 1:
        raise _Refusal("bad_host", "Host is repeated")
    if named is None and hosts is None:
        raise _Refusal("bad_host", "neither :authority nor Host")
    try:
        host = None if hosts is None else parse_authority(hosts[0])
        authority = host if named is None else parse_authority(named)
    except AuthorityError as fault:
        raise _Refusal("bad_host", str(fault)) from None
    if authority is None:
        raise AssertionError("one of both is there")
    if host is not None and (host.host, host.port) != (authority.host, authority.port):
        raise _Refusal("bad_host", "Host differs from :authority")
    return authority


def _length(values: list[bytes]) -> int:
    if len(values) != 1 or _DIGITS.fullmatch(values[0]) is None:
        raise malformed("Content-Length is repeated, or no number of at most 18 digits")
    return int(values[0])


def _request_framing(lengths: list[bytes] | None, *, end: bool) -> Framing:
    if lengths is None:
        return NO_BODY if end else CHUNKED
    length = _length(lengths)
    if end and length:
        raise malformed("Content-Length and no body")
    return Sized(length)


def _expects_continue(values: list[bytes], framing: Framing, fields: list[Field]) -> bool:
    """Tell whether the client waits for 100, and put the field back if so."""
    if len(values) != 1 or values[0].lower() != b"100-continue":
        raise _Refusal("expectation_unknown", "an Expect other than 100-continue")
    if is_empty(framing):
        return False
    fields.append((b"expect", values[0]))
    return True


def _trailers_welcome(values: list[bytes]) -> bool:
    if any(value.lower() != b"trailers" for value in values):
        raise malformed("a TE other than trailers")
    return True


def response_event(
    stream: int, entries: list[Entry], request_method: bytes, *, end: bool
) -> ResponseReceived:
    """
    Make the event for the head of a response, whose fields `judge_response_field` judged.

    Raises:
        StreamFault: The head is malformed.
    """
    pseudo, rest = _pseudo(entries)
    code = pseudo.get(STATUS, b"")
    if len(pseudo) != 1 or _STATUS.fullmatch(code) is None:
        raise malformed("not the one pseudo-header field :status from 100 to 599")
    status = int(code)
    fields, _, marked = _sort(rest)
    length = _length(marked[LENGTH]) if LENGTH in marked else None
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
        tuple(fields),
        framing,
        True,  # noqa: FBT003 - persistent: streams come and go
        None,
        declared,
    )
    return ResponseReceived(stream, head, end)


def trailer_fields(entries: list[Entry]) -> Fields:
    """
    Return the trailers that may go on: nothing of framing, routing or who the client is.

    Raises:
        StreamFault: The trailers are malformed.
    """
    if any(kind == MALFORMED or kind < ORDINARY for _, _, kind in entries):
        raise malformed("trailers with a pseudo-header field or a field that cannot be")
    return tuple(field for field, _, kind in entries if not kind and is_trailer(field[0]))
