"""
From batches of the data plane to lines of the access log, as the options want them.

The default, JSON without redaction, goes a shorter way to the very same line: what recurs (routes,
clients, browsers) has been quoted before, and no record is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote
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
    started, ended, sent, status, tries, _, bytes_in, bytes_out, *rest = noted
    _, _, _, peer, route, endpoints, reason, _ = rest
    texts = texts_of(noted)
    request_id, client, method, host, path, agent, referer = texts
    seconds = ended - started
    if sent:
        upstream = ended - sent
        shown, overhead = f"{upstream:.6f}", max(seconds - upstream, 0.0)
    else:
        shown, overhead = "null", seconds
    return (
        f'{{"time":"{iso_time(begun)}","request_id":{_quote(request_id)},'
        f'"client":{_remembered(client)},"method":{_remembered(method)},'
        f'"host":{_remembered(host)},"path":{_quote(path)},'
        f'"protocol":"{protocol_of(noted, method)}","status":{status},{_origin(reason)},'
        f'{_route(route)},"upstream":{_endpoints(endpoints)},'
        f'"tries":{tries},"bytes_in":{bytes_in},"bytes_out":{bytes_out},'
        f'"seconds":{seconds:.6f},"upstream_seconds":{shown},'
        f'"overhead_seconds":{overhead:.6f},{_connection(peer)},'
        f'"user_agent":{_remembered(agent)},"referer":{_remembered(referer)}'
        f"{_call(noted.grpc_status)}}}\n"
    )


_quoted = lru_cache(maxsize=_REMEMBERED)(_quote)


def _remembered(text: str) -> str:
    """Quote what recurs; clients choose these texts, so long ones are not kept."""
    return _quoted(text) if len(text) <= _LONGEST_REMEMBERED else _quote(text)


def _call(status: int | None) -> str:
    return "" if status is None else f',"grpc_status":{status}'


@lru_cache(maxsize=_REMEMBERED)
def _origin(reason: bytes) -> str:
    code = as_text(reason)
    return f'"origin":"{"proxy" if code else "upstream"}","reason":{_quote(code)}'


@lru_cache(maxsize=_REMEMBERED)
def _endpoints(endpoints: bytes) -> str:
    return _quote(as_text(endpoints))


@lru_cache(maxsize=_REMEMBERED)
def _route(route: bytes) -> str:
    namespace, ingress, path, service, _ = map(_quote, map(str, route_of(route)))
    return f'"namespace":{namespace},"ingress":{ingress},"route":{path},"service":{service}'


@lru_cache(maxsize=_REMEMBERED)
def _connection(peer: bytes) -> str:
    _, tls, server_name, subject, fingerprint = map(_quote, peer_of(peer))
    return (
        f'"tls":{tls},"server_name":{server_name},"client_subject":{subject},'
        f'"client_fingerprint":{fingerprint}'
    )
