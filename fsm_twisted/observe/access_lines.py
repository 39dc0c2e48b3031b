"""
From batches of the data plane to lines of the access log, as the options want them.

The default, JSON without redaction, goes a shorter way to the very same line: what recurs (routes,
clients, browsers) has been quoted before, and no record is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

from fsm_twisted.observe.access import (
    BatchError,
    Noted,
    as_text,
    peer_of,
    protocol_of,
    route_of,
    texts_of,
    unpack_batch,
    unpack_noted,
)
from fsm_twisted.observe.access_format import iso_time, make_line, make_redaction

Lines = Callable[[bytes], list[str]]
_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 256


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
    return lambda batch: [line(redact(record)) for record in unpack_batch(batch)]


def _quick_json_lines(batch: bytes) -> list[str]:
    try:
        return [quick_json_line(begun, noted) for begun, noted in unpack_noted(batch)]
    except ValueError as error:
        raise BatchError("a record that nobody has packed") from error


def quick_json_line(begun: float, noted: Noted) -> str:
    """Write what `json_line` writes of the record of *noted*."""
    started, ended, sent, status, tries, _, bytes_in, bytes_out, _, *strings = noted
    _, _, peer, route, endpoints, reason = strings
    request_id, client, method, host, path, agent, referer = texts_of(noted)
    seconds = ended - started
    if sent:
        upstream = ended - sent
        shown, overhead = f"{upstream:.6f}", max(seconds - upstream, 0.0)
    else:
        shown, overhead = "null", seconds
    origin = f'"proxy","reason":{_quoted(reason)}' if reason else '"upstream","reason":""'
    return (
        f'{{"time":"{iso_time(begun)}","request_id":{_quoted_anew(request_id)},'
        f'"client":{_remembered(client)},"method":{_remembered(method)},'
        f'"host":{_remembered(host)},"path":{_quoted_anew(path)},'
        f'"protocol":"{protocol_of(noted, method)}","status":{status},"origin":{origin},'
        f'{_route(route)},"upstream":{_remembered(endpoints)},'
        f'"tries":{tries},"bytes_in":{bytes_in},"bytes_out":{bytes_out},'
        f'"seconds":{seconds:.6f},"upstream_seconds":{shown},'
        f'"overhead_seconds":{overhead:.6f},{_connection(peer)},'
        f'"user_agent":{_remembered(agent)},"referer":{_remembered(referer)}}}\n'
    )


def _quoted_anew(text: bytes) -> str:
    return encode_basestring_ascii(as_text(text))


_quoted = lru_cache(maxsize=_REMEMBERED)(_quoted_anew)


def _remembered(text: bytes) -> str:
    """Quote what recurs; clients choose these texts, so long ones are not kept."""
    return _quoted(text) if len(text) <= _LONGEST_REMEMBERED else _quoted_anew(text)


@lru_cache(maxsize=_REMEMBERED)
def _route(route: bytes) -> str:
    namespace, ingress, path, service, _ = map(encode_basestring_ascii, map(str, route_of(route)))
    return f'"namespace":{namespace},"ingress":{ingress},"route":{path},"service":{service}'


@lru_cache(maxsize=_REMEMBERED)
def _connection(peer: bytes) -> str:
    texts = map(encode_basestring_ascii, peer_of(peer))
    _, tls, server_name, subject, fingerprint = texts
    return (
        f'"tls":{tls},"server_name":{server_name},"client_subject":{subject},'
        f'"client_fingerprint":{fingerprint}'
    )
