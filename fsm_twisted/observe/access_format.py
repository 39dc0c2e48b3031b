"""
Records of the access log as lines: JSON, or a format with the variables of ingress-nginx.

A line is one line, and ends only where we end it, whatever a client has sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final
from urllib.parse import unquote_plus

import attrs

from fsm_twisted.observe.access import AccessRecord

Line = Callable[[AccessRecord], str]

NGINX: Final = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_length $request_time '
    "[$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)
"""The default of ingress-nginx (``log-format-upstream``)."""

REDACTED: Final = "REDACTED"
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


class FormatError(ValueError):
    """A format that cannot be used; the text says what is wrong with it."""


def iso_time(seconds: float) -> str:
    """Write seconds since the epoch as ISO 8601, with milliseconds."""
    return _iso_time(int(seconds * 1000))


@lru_cache(maxsize=256)
def _iso_time(milliseconds: int) -> str:
    whole, part = divmod(milliseconds, 1000)
    return f"{_iso_second(whole)}.{part:03d}Z"


@lru_cache(maxsize=64)
def _iso_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=64)
def _local(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


# JSON

JSON_FIELDS: Final[Mapping[str, str]] = {
    "time": "when the request's head was read, UTC",
    "request_id": "X-Request-ID, as the endpoint got it",
    "client": "address of the client",
    "method": "as sent; empty for what was no request",
    "host": "as sent, with a port if there is one",
    "path": "path and query as sent",
    "protocol": "`HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0`; `TLS`: it went through unopened",
    "status": "that the client got; 499: it did not wait for one",
    "origin": "`upstream`, or `proxy` for an answer of ours and one that was cut",
    "reason": "[reason code](reason-codes.md) of that",
    "namespace": "of the Ingress; empty without a route",
    "ingress": "its name",
    "route": "the path in the Ingress",
    "service": "name of the Service",
    "upstream": "endpoints tried, the newest one last",
    "tries": "how often an endpoint was asked",
    "bytes_in": "of the request, head and body",
    "bytes_out": "of the answer, head and body",
    "seconds": "from the head to the answer's end",
    "upstream_seconds": "the part that the endpoint had it; null when none has answered",
    "overhead_seconds": "the other part",
    "tls": "version; empty for plain HTTP",
    "server_name": "SNI",
    "client_subject": "subject of the client's certificate (RFC 4514); empty where none was shown",
    "client_fingerprint": "its SHA-256, hexadecimal",
    "user_agent": "as sent",
    "referer": "as sent",
    "grpc_status": "status of a call of [gRPC](grpc.md), as the client got it; of nothing else",
}
"""The members of the JSON object in their order, and what they mean."""


def json_line(record: AccessRecord) -> str:
    """Write one JSON object and a line end."""
    text = encode_basestring_ascii
    upstream = record.upstream_seconds
    shown = "null" if upstream is None else f"{upstream:.6f}"
    status = _grpc_status(record)
    call = f',"grpc_status":{status}' if status else ""
    return (
        f'{{"time":"{iso_time(record.begun)}","request_id":{text(record.request_id)},'
        f'"client":{text(record.client)},"method":{text(record.method)},'
        f'"host":{text(record.host)},"path":{text(record.path)},'
        f'"protocol":"{record.protocol}","status":{record.status},"origin":"{record.origin}",'
        f'"reason":{text(record.reason)},"namespace":{text(record.namespace)},'
        f'"ingress":{text(record.ingress)},"route":{text(record.route)},'
        f'"service":{text(record.service)},"upstream":{text(record.endpoints)},'
        f'"tries":{record.tries},"bytes_in":{record.bytes_in},"bytes_out":{record.bytes_out},'
        f'"seconds":{record.seconds:.6f},"upstream_seconds":{shown},'
        f'"overhead_seconds":{record.overhead_seconds:.6f},"tls":{text(record.tls)},'
        f'"server_name":{text(record.server_name)},'
        f'"client_subject":{text(record.client_subject)},'
        f'"client_fingerprint":{text(record.client_fingerprint)},'
        f'"user_agent":{text(record.user_agent)},'
        f'"referer":{text(record.referer)}{call}}}\n'
    )


# Formats


@attrs.frozen
class Variable:
    """A variable of formats: its name, how it is read, what it means."""

    name: str
    read: Line
    meaning: str


def _upstream_name(record: AccessRecord) -> str:
    if not record.service:
        return ""
    return f"{record.namespace}-{record.service}-{record.port}"


def _upstream_status(record: AccessRecord) -> str:
    return str(record.status) if record.endpoints else ""


def _upstream_length(record: AccessRecord) -> str:
    if not record.endpoints:
        return ""
    return str(record.body_bytes_out) if record.origin == "upstream" else "0"


def _upstream_time(record: AccessRecord) -> str:
    return "" if record.upstream_seconds is None else f"{record.upstream_seconds:.3f}"


def _grpc_status(record: AccessRecord) -> str:
    return "" if record.grpc_status is None else str(record.grpc_status)


def _request(record: AccessRecord) -> str:
    return f"{record.method} {record.path} {record.protocol}" if record.method else ""


VARIABLES: Final = tuple(
    Variable(*row)
    for row in (
        ("remote_addr", lambda r: r.client, "address of the client"),
        ("remote_user", lambda _: "", "always `-`: nobody is authenticated here"),
        ("time_local", lambda r: _local(int(r.begun + r.seconds)), "end of the answer, UTC"),
        ("time_iso8601", lambda r: iso_time(r.begun + r.seconds), "the same as ISO 8601"),
        ("msec", lambda r: f"{r.begun + r.seconds:.3f}", "the same in seconds since the epoch"),
        ("request", _request, "request line"),
        ("request_method", lambda r: r.method, "method"),
        ("request_uri", lambda r: r.path, "path and query as sent"),
        ("server_protocol", lambda r: r.protocol, "as `protocol` in JSON"),
        ("host", lambda r: r.host, "Host as sent"),
        ("http_referer", lambda r: r.referer, "Referer"),
        ("http_user_agent", lambda r: r.user_agent, "User-Agent"),
        ("status", lambda r: str(r.status), "status that the client got"),
        ("body_bytes_sent", lambda r: str(r.body_bytes_out), "bytes of the answer's body"),
        ("bytes_sent", lambda r: str(r.bytes_out), "bytes of the answer"),
        ("request_length", lambda r: str(r.bytes_in), "bytes of the request"),
        ("request_time", lambda r: f"{r.seconds:.3f}", "seconds"),
        ("req_id", lambda r: r.request_id, "X-Request-ID"),
        ("namespace", lambda r: r.namespace, "namespace of the Ingress"),
        ("ingress_name", lambda r: r.ingress, "name of the Ingress"),
        ("location_path", lambda r: r.route, "the path in the Ingress"),
        ("service_name", lambda r: r.service, "name of the Service"),
        ("service_port", lambda r: str(r.port) if r.port else "", "port of the Service"),
        ("proxy_upstream_name", _upstream_name, "`NAMESPACE-SERVICE-PORT`"),
        ("proxy_alternative_upstream_name", lambda _: "", "always `-`"),
        ("upstream_addr", lambda r: r.endpoints, "endpoints tried"),
        ("upstream_response_length", _upstream_length, "bytes of the endpoint's body"),
        ("upstream_response_time", _upstream_time, "seconds"),
        ("upstream_status", _upstream_status, "status, if an endpoint was tried"),
        ("ssl_protocol", lambda r: r.tls, "TLS version"),
        ("ssl_server_name", lambda r: r.server_name, "SNI"),
        ("ssl_client_s_dn", lambda r: r.client_subject, "subject of the client's certificate"),
        ("ssl_client_sha256", lambda r: r.client_fingerprint, "its SHA-256"),
        ("origin", lambda r: r.origin, "`upstream` or `proxy`"),
        ("reason", lambda r: r.reason, "reason code"),
        ("grpc_status", _grpc_status, "status of a call of gRPC, as the client got it"),
        ("tries", lambda r: str(r.tries), "how often an endpoint was asked"),
    )
)
_BY_NAME: Final[Mapping[str, Variable]] = {each.name: each for each in VARIABLES}
_PARTS: Final = re.compile(r"\$(?:\{([a-z0-9_]+)\}|([a-z0-9_]+))|\$")
# As nginx escapes by default, so that programs that read its log read ours.
_UNSAFE: Final = re.compile(r'["\\\x00-\x1f\x7f-\U0010ffff]')
_SAFE: Final = re.compile(r"[ !#-\[\]-~]*").fullmatch


def make_format(text: str) -> Line:
    """
    Return what writes lines of the format *text*.

    Variables are written ``$name`` or ``${name}``; what is empty becomes ``-``.

    Raises:
        FormatError: A variable is unknown, a ``$`` names none, or *text* has a line end.
    """
    if not text.isprintable():
        raise FormatError("the format holds a line end or another control character")
    constants, variables = [""], []
    at = 0
    for found in _PARTS.finditer(text):
        name = found[1] or found[2]
        if name is None:
            raise FormatError("a $ has no name of a variable behind it")
        if name not in _BY_NAME:
            known = ", ".join(_BY_NAME)
            raise FormatError(f"there is no variable ${name}; there are {known}")
        constants[-1] += text[at : found.start()]
        variables.append(_BY_NAME[name].read)
        constants.append("")
        at = found.end()
    constants[-1] += text[at:]
    first, *between = constants
    parts = tuple(zip(variables, between, strict=True))

    def line(record: AccessRecord) -> str:
        written = [(escaped(read(record)) or "-") + constant for read, constant in parts]
        return f"{first}{''.join(written)}\n"

    return line


def tells_bodies(text: str) -> bool:
    """Say whether lines of *text*, see `make_line`, have the size of bodies."""
    return text != "json"


def make_line(text: str) -> Line:
    """
    Return what writes lines of the format *text*: ``json``, ``nginx`` or a format itself.

    Raises:
        FormatError: See `make_format`; a word without any variable is none.
    """
    if text == "json":
        return json_line
    if text == "nginx":
        return make_format(NGINX)
    if "$" not in text:
        raise FormatError("it has no variable")
    return make_format(text)


def escaped(text: str) -> str:
    r"""Return *text* as nginx writes it: ``"``, ``\`` and all but visible ASCII as ``\xXX``."""
    return text if _SAFE(text) else _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


# Redaction

_TEXTS: Final = (
    "client",
    "client_fingerprint",
    "client_subject",
    "host",
    "path",
    "referer",
    "server_name",
    "user_agent",
)
REDACTABLE: Final = (*_TEXTS, "query")
_ASSIGNMENT: Final = re.compile(r"([?&;])([^=&;#]*)=([^&;#]*)")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._~\[\]-]{1,128}")


def make_redaction(names: Iterable[str]) -> Callable[[AccessRecord], AccessRecord]:
    """
    Return what takes out what nobody may read in a log.

    Args:
        names: Each one of `REDACTABLE`, or ``query:NAME`` for the value of a parameter; both
            count for the query of Referer, too.

    Raises:
        FormatError: A name is none of these.
    """
    fields: list[str] = []
    parameters: list[str] = []
    whole_query = False
    for name in names:
        kind, colon, parameter = name.partition(":")
        if name in _TEXTS:
            fields.append(name)
        elif name == "query":
            whole_query = True
        elif kind == "query" and colon and _PARAMETER.fullmatch(parameter):
            parameters.append(parameter.lower())
        else:
            raise FormatError(f"{name!r} is none of {', '.join(REDACTABLE)}, query:NAME")
    if not (fields or parameters or whole_query):
        return lambda record: record
    clean = _query_cleaner(parameters, whole_query=whole_query)

    def redact(record: AccessRecord) -> AccessRecord:
        hidden = {field: REDACTED for field in fields if getattr(record, field)}
        texts = {"path": clean(record.path), "referer": clean(record.referer), **hidden}
        return record._replace(**texts)  # type: ignore[arg-type]  # all of these are texts

    return redact


def _query_cleaner(parameters: list[str], *, whole_query: bool) -> Callable[[str], str]:
    if whole_query:
        return lambda text: text.partition("?")[0] + ("?" + REDACTED if "?" in text else "")
    if not parameters:
        return lambda text: text

    def replaced(found: re.Match[str]) -> str:
        # A client may write any letter of the name as %XX; the application reads it all the same.
        is_named = unquote_plus(found[2]).lower() in parameters
        return f"{found[1]}{found[2]}={REDACTED}" if is_named else found[0]

    return lambda text: _ASSIGNMENT.sub(replaced, text) if "=" in text else text
