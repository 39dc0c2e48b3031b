"""
From batches of the data plane to lines of the access log, as the options want them.

The default, JSON without redaction, goes a shorter way to the very same line: what recurs (routes,
clients, browsers) has been quoted before, and no record is made. Compiled, that way is shorter
still, and `quick_json_line` is asked for what is unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote
from typing import Final

from fsm_twisted.observe.access import (
    PROTOCOLS,
    UNOPENED,
    BatchError,
    Noted,
    as_text,
    find_host,
    find_referer,
    find_user_agent,
    is_in_time,
    peer_of,
    route_of,
    unpack_batch,
    unpack_notes,
)
from fsm_twisted.observe.access_format import iso_time, make_line, make_redaction

Lines = Callable[[bytes], tuple[bytes, int]]
"""Makes the lines of a batch, and says how many they are."""

_REMEMBERED: Final = 4096
_LONGEST_KNOWN: Final = 1024  # bytes: clients choose most of them
_COOKIE: Final = b"\r\nCookie: "
_IDENTITY: Final = b"\r\nX-Request-ID: "


def make_lines(text: str, redacted: Collection[str] = ()) -> Lines:
    """
    Return what makes the lines of a batch.

    Args:
        text: See `make_line`.
        redacted: See `make_redaction`.

    Returns:
        A function that raises `BatchError` for what is no batch.

    Raises:
        FormatError: See both.
    """
    line, redact = make_line(text), make_redaction(redacted)
    if text == "json" and not redacted:
        return _quick_json_lines

    errors = "backslashreplace" if text == "json" else "surrogateescape"

    def lines(batch: bytes) -> tuple[bytes, int]:
        made = [line(redact(record)) for record in unpack_batch(batch, errors)]
        return "".join(made).encode("utf-8", "backslashreplace"), len(made)

    return lines


def _quick_json_lines(batch: bytes) -> tuple[bytes, int]:
    offset, notes = unpack_notes(batch)
    try:
        return json_lines(offset, notes), len(notes)
    except ValueError as error:
        raise BatchError("a record that nobody has packed") from error


def _json_lines(offset_seconds: float, notes: Sequence[Noted]) -> bytes:
    """
    Write the lines of all *notes*; *offset_seconds* is that of their batch.

    Raises:
        ValueError: One is no record.
    """
    return "".join([quick_json_line(offset_seconds, noted) for noted in notes]).encode("ascii")


def quick_json_line(offset_seconds: float, noted: Noted) -> str:
    """
    Write what `json_line` writes of the record of *noted*.

    Most of what the log costs its writer is in here: so it is one function, with local names.

    Raises:
        ValueError: It is no record.
    """
    (
        started, ended, sent, status, tries, minor, bytes_in, bytes_out, _,
        head_bytes, target, peer, route, endpoints, reason, call,
    ) = noted  # fmt: skip
    begun, seconds = offset_seconds + started, ended - started
    if not is_in_time(begun, seconds):
        raise BatchError("a record out of time")
    line, line_end, _ = head_bytes.partition(b"\r\n")
    common, identity = head_bytes[len(line) :] if line_end else b"", b""
    at = common.rfind(_IDENTITY)
    if at >= 0:
        identity, _, after = common[at + len(_IDENTITY) :].partition(b"\r\n")
        common = b"%b\r\n%b" % (common[:at], after)
    at = common.find(_COOKIE)
    if at >= 0:
        _, end, after = common[at + len(_COOKIE) :].partition(b"\r\n")
        common = b"%b%b%b" % (common[:at], end, after)
    # Without what differs in each request, or between sessions, heads are equal to many others.
    client, host, browser = (_known if len(common) <= _LONGEST_KNOWN else _texts)(common)
    method, _, rest = line.decode("utf-8", "backslashreplace").partition(" ")
    path = as_text(target) if target else rest[: rest.rfind(" ")]
    upstream = ended - sent if sent else 0.0
    overhead = seconds - upstream
    return (
        f'{{"time":"{iso_time(begun)}","request_id":{_quote(as_text(identity))},'
        f'"client":{client or _client(peer)},"method":{_quote(method)},'
        f'"host":{host},"path":{_quote(path)},'
        f'"protocol":"{PROTOCOLS.get(minor, "") if method or minor == UNOPENED else ""}",'
        f'"status":{status},{_way(reason, route)},"upstream":{_endpoints(endpoints)},'
        f'"tries":{tries},"bytes_in":{bytes_in},"bytes_out":{bytes_out},"seconds":{seconds:.6f},'
        f'"upstream_seconds":{f"{upstream:.6f}" if sent else "null"},'
        f'"overhead_seconds":{overhead if overhead > 0.0 else 0.0:.6f},{_connection(peer)},'
        f"{browser}{'' if call is None else _call(call)}}}\n"
    )


def _texts(common: bytes) -> tuple[str, str, str]:
    """Quote the client (empty: the peer), the host, and the end of the line, of these fields."""
    fields = common.decode("utf-8", "backslashreplace")
    _, _, behind = fields.rpartition("\r\nX-Real-IP: ")
    client = behind.partition("\r\n")[0]  # nothing where there is none: all begins with CRLF
    host, agent, referer = (
        _quote(found[1].rstrip(" \t") if found else "")
        for found in (find_host(fields), find_user_agent(fields), find_referer(fields))
    )
    return client and _quote(client), host, f'"user_agent":{agent},"referer":{referer}'


_known = lru_cache(maxsize=_REMEMBERED // 4)(_texts)


@lru_cache(maxsize=_REMEMBERED)
def _client(peer: bytes) -> str:
    return _quote(peer_of(peer)[0])


def _call(status: int) -> str:
    return f',"grpc_status":{status}'


@lru_cache(maxsize=_REMEMBERED)
def _way(reason: bytes, route: bytes) -> str:
    code = as_text(reason)
    namespace, ingress, path, service, _ = map(_quote, map(str, route_of(route)))
    return (
        f'"origin":"{"proxy" if code else "upstream"}","reason":{_quote(code)},'
        f'"namespace":{namespace},"ingress":{ingress},"route":{path},"service":{service}'
    )


@lru_cache(maxsize=_REMEMBERED)
def _endpoints(endpoints: bytes) -> str:
    return _quote(as_text(endpoints))


@lru_cache(maxsize=_REMEMBERED)
def _connection(peer: bytes) -> str:
    _, tls, server_name, subject, fingerprint = map(_quote, peer_of(peer))
    return (
        f'"tls":{tls},"server_name":{server_name},"client_subject":{subject},'
        f'"client_fingerprint":{fingerprint}'
    )


json_lines: Callable[[float, Sequence[Noted]], bytes] = _json_lines
try:
    from fsm_twisted.observe._speedups import json_lines_function
except ImportError:
    pass
else:
    json_lines = json_lines_function(quick_json_line, _way, _endpoints, _connection, PROTOCOLS)
