"""The law for request heads: strict, whole, and nothing repaired (RFC 9112, RFC 9110)."""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.http1.errors import RequestError, bad_framing, request_fault
from fsm_twisted.http1.special import (
    BROKEN,
    CLAIM,
    CODING,
    CONNECTION,
    EXPECT,
    HOST,
    LENGTH,
    NO_OPTIONS,
    REQUEST_NAMES,
    UPGRADE,
    ConnectionOptions,
    connection_options,
    tokens,
)
from fsm_twisted.http1.syntax import (
    DIGITS,
    STRAY,
    TOKEN,
    TOKEN_CLASS,
    HeadLimits,
    check_size,
    mend_fields,
    split_fields,
)
from fsm_twisted.message.authority import Authority, AuthorityError, Origin, parse_authority
from fsm_twisted.message.fields import Field
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Framing, Sized, is_empty
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.message.target import (
    DOT,
    PERCENT,
    Target,
    TargetError,
    has_dot_segment,
    parse_target,
)

# The usual request line, in origin-form; whatever else there is, is taken apart by hand.
_USUAL: Final = re.compile(
    rb"([%b]++) (/[\x21\x22\x24-\x3e\x40-\x7e]*+)(?:\?([\x21\x22\x24-\x7e]*+))? HTTP/1\.([01])\r\n"
    % TOKEN_CLASS
)
_START: Final = re.compile(rb"([%b]++) ([\x21\x22\x24-\x7e]++) HTTP/1\.[01]\r\n" % TOKEN_CLASS)
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_CODINGS: Final = re.compile(rb"[%b]+(?:[ \t]*;[^,]*)?" % TOKEN_CLASS)
_NO_HOST: Final = Authority(b"", None, b"")
_REFUSED: Final = frozenset({b"CONNECT", b"TRACE"})

# Kind of field -> the values of all fields of that kind, in order.
Marked = dict[int, tuple[bytes, ...]]


def parse_request_head(block: bytes, limits: HeadLimits) -> RequestHead:
    """
    Parse a request head, from the request line to the empty line inclusive.

    Raises:
        RequestError: With the reason to answer; the connection must be closed after it. A stray
            control byte anywhere is ``bad_request``, whatever else is wrong.
    """
    if len(block) > limits.line_bytes:
        check_size(block, limits, request_fault)
    try:
        return _parse(block, limits)
    except RequestError:
        # A reader that is fed byte by byte meets the stray byte first: so must everybody.
        if (stray := STRAY.search(block)) is not None:
            raise request_fault("bad_request", f"stray byte at {stray.start()}") from None
        raise


def _parse(block: bytes, limits: HeadLimits) -> RequestHead:
    named = None
    line = _USUAL.match(block)
    if line is not None:
        method, path, query, digit = line.groups()
        if method in _REFUSED or ((DOT in path or PERCENT in path) and has_dot_segment(path)):
            raise _start_line_fault(block)
        target = Target(path, query)
        minor = 1 if digit == b"1" else 0
        start = line.end()
    else:
        method, target, named, minor, start = _start_line(block)
    fields, claims, marked = _sort(block, start, limits)
    authority = _authority(marked.get(HOST), named, minor)
    framing = _framing(marked, minor) if CODING in marked or LENGTH in marked else NO_BODY
    expects = EXPECT in marked and _expects_continue(marked[EXPECT], minor, framing)
    if EXPECT in marked and not expects:
        fields = [field for field in fields if field[0].lower() != b"expect"]
    options = _connection(marked[CONNECTION]) if CONNECTION in marked else NO_OPTIONS
    if options.nominated:
        fields = options.without_nominated(fields)
    upgrade = None
    if UPGRADE in marked and minor and options.upgrade:
        upgrade = _upgrade(method, framing, marked[UPGRADE])
    return RequestHead(
        method,
        target,
        authority,
        minor,
        tuple(fields),
        claims,
        framing,
        not options.close and (minor == 1 or options.keep_alive),
        expects,
        upgrade,
    )


def _start_line(block: bytes) -> tuple[bytes, Target, Origin | None, int, int]:
    """Take an unusual request line apart: method, target, whose it is, minor version, end."""
    line = _START.match(block)
    if line is None:
        raise _start_line_fault(block)
    target, named = _target(line[1], line[2])
    end = line.end()
    return line[1], target, named, 1 if block[end - 3 : end - 2] == b"1" else 0, end


def _start_line_fault(block: bytes) -> RequestError:
    """Find out what is wrong with a request line, in the order in which it arrives."""
    line = block.partition(b"\r\n")[0]
    parts = line.split(b" ")
    if TOKEN.fullmatch(parts[0]) is None:
        return request_fault("bad_request", "the method is no token")
    if len(parts) != 3:  # noqa: PLR2004 - method, target and version
        return request_fault("bad_request", "a request line has three parts and two spaces")
    if _VERSION.fullmatch(parts[2]) is None:
        return request_fault("bad_request", "the version is not HTTP/DIGIT.DIGIT")
    if parts[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return request_fault("version_unknown", "a version other than HTTP/1.0 and HTTP/1.1")
    if parts[0] in _REFUSED:
        return request_fault("method_refused", "CONNECT and TRACE are not forwarded")
    return request_fault("bad_target", "a byte outside 0x21-0x7e, a fragment or a dot segment")


def _target(method: bytes, raw: bytes) -> tuple[Target, Origin | None]:
    if method in _REFUSED:
        raise request_fault("method_refused", "CONNECT and TRACE are not forwarded")
    try:
        return parse_target(method, raw)
    except TargetError as fault:
        raise request_fault("bad_target", str(fault)) from fault


def _sort(
    block: bytes, start: int, limits: HeadLimits
) -> tuple[list[Field], tuple[Field, ...], Marked]:
    """Take apart what goes on, what claims who the client is, and what is for this hop."""
    fields = split_fields(block, start, limits, request_fault)
    ordinary: list[Field] = []
    claims: list[Field] = []
    marked: Marked = {}
    for field in fields:
        kind = REQUEST_NAMES[field[0]]
        if not kind:
            ordinary.append(field)
        elif kind == CLAIM:
            claims.append(field)
        elif kind in marked:
            marked[kind] += (field[1],)
        else:
            marked[kind] = (field[1],)
            if kind == EXPECT:
                ordinary.append(field)
    if BROKEN in marked:
        tidy = b"".join(b"%b:%b\r\n" % field for field in mend_fields(block, start, request_fault))
        return _sort(tidy + b"\r\n", 0, limits)
    return ordinary, tuple(claims), marked


def _authority(hosts: tuple[bytes, ...] | None, named: Origin | None, minor: int) -> Authority:
    """
    Decide who is asked: exactly one valid Host, and the same as in an absolute target.

    A client sends both alike (RFC 9112 section 3.2.2), so any difference but letter case,
    trailing dot and a default port is refused. Only HTTP/1.0 may go without Host.
    """
    if hosts is None:
        if minor:
            raise request_fault("bad_host", "no Host")
        return _NO_HOST if named is None else named.authority
    if len(hosts) != 1:
        raise request_fault("bad_host", "Host is repeated")
    try:
        host = parse_authority(hosts[0])
    except AuthorityError as fault:
        raise request_fault("bad_host", str(fault)) from fault
    if named is None:
        return host
    if not named.is_of(host):
        raise request_fault("bad_host", "Host differs from the target's authority")
    return named.authority


def _framing(marked: Marked, minor: int) -> Framing:
    """Decide by Content-Length and Transfer-Encoding where the body ends (RFC 9112, 6.3)."""
    if (codings := marked.get(CODING)) is not None:
        if LENGTH in marked:
            raise bad_framing("Transfer-Encoding and Content-Length")
        if minor == 0:
            raise bad_framing("Transfer-Encoding in HTTP/1.0")
        if len(codings) == 1 and codings[0].lower() == b"chunked":
            return CHUNKED
        raise _coding_fault(codings)
    lengths = marked[LENGTH]
    if len(lengths) != 1:
        raise bad_framing("Content-Length is repeated")
    if DIGITS.fullmatch(lengths[0]) is None:
        raise bad_framing("Content-Length is no number of at most 18 digits")
    return Sized(int(lengths[0]))


def _coding_fault(codings: tuple[bytes, ...]) -> RequestError:
    """Tell a coding that we do not know (501) from a list that delimits nothing (400)."""
    *others, last = (part.strip(b" \t").lower() for part in b",".join(codings).split(b","))
    known_form = all(map(_CODINGS.fullmatch, others))
    if last == b"chunked" and others and known_form and b"chunked" not in others:
        return request_fault("coding_unknown", "a Transfer-Encoding before chunked")
    return bad_framing("Transfer-Encoding is not the one value chunked")


def _connection(values: tuple[bytes, ...]) -> ConnectionOptions:
    options = connection_options(values)
    if options is None:
        raise request_fault("bad_request", "Connection is no list of tokens")
    return options


def _expects_continue(values: tuple[bytes, ...], minor: int, framing: Framing) -> bool:
    """
    Tell whether the client waits for 100 (RFC 9110 section 10.1.1).

    HTTP/1.0 has no expectations: Expect is ignored there, and so it is without a body.
    """
    if minor == 0:
        return False
    if len(values) != 1 or values[0].lower() != b"100-continue":
        raise request_fault("expectation_unknown", "an Expect other than 100-continue")
    return not is_empty(framing)


def _upgrade(method: bytes, framing: Framing, values: tuple[bytes, ...]) -> bytes | None:
    """Return ``websocket`` if that is asked for as RFC 6455 section 4.1 wants; others lapse."""
    asked = b"websocket" in (tokens(values) or ())
    return b"websocket" if asked and method == b"GET" and is_empty(framing) else None
