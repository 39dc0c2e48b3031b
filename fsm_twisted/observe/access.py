"""
What the access log is told of each request, and how it travels to the one who writes it.

Whoever serves requests has no time to write lines: it packs what it knows, heads unread, and
sends batches. Reading heads and making lines is the writer's work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

_LINE_END: Final = b"\r\n"
_EMPTY_LINE: Final = b"\r\n\r\n"
Find = Callable[[str], "re.Match[str] | None"]
find_host, find_user_agent, find_referer = (
    re.compile(rf"\r\n{name}:[ \t]*([^\r]*)", re.ASCII | re.IGNORECASE).search
    for name in ("host", "user-agent", "referer")
)
_SEPARATOR: Final = b"\0"  # in nothing that is put together with it
UNOPENED: Final = 30
"""Stands where HTTP/1.x has its minor version, of a TLS connection that went through unopened."""
PROTOCOLS: Final = {0: "HTTP/1.0", 1: "HTTP/1.1", 20: "HTTP/2.0", UNOPENED: "TLS"}
UNTOLD: Final = -1
"""Stands for a size that was not looked for."""
_LATEST: Final = 253402300800.0  # year 10000: nothing after it has a date


class BatchError(ValueError):
    """Bytes that are no batch of records."""


class Noted(NamedTuple):
    """
    One request as the data plane tells it, and as it travels: an array of MessagePack.

    ``begun``, ``ended`` and ``sent`` (to an endpoint; 0: it was not) are on the data plane's own
    clock. ``head`` is the request's as it was forwarded, with our fields: whatever was
    asked for stands there, but for a ``target`` that was rewritten. No body ever follows it.
    ``peer`` is made by `pack_peer`, ``route`` by `pack_route`, or empty. ``endpoints`` are those
    tried, as text, between commas. ``minor`` is that of HTTP/1.x, 20 for HTTP/2, or `UNOPENED`.
    ``body_bytes_out`` is `UNTOLD` where nobody wants to know.
    ``reason`` is empty when the endpoint's answer was passed on, whole. ``grpc_status`` is that
    of a call; a note without it is shorter, and costs nothing for it.
    """

    begun: float
    ended: float
    sent: float
    status: int
    tries: int
    minor: int
    bytes_in: int
    bytes_out: int
    body_bytes_out: int
    head: bytes
    target: bytes
    peer: bytes
    route: bytes
    endpoints: bytes
    reason: bytes
    grpc_status: int | None = None

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.ended - self.begun

    @property
    def upstream_seconds(self) -> float | None:
        """How long the last endpoint had it; None when it was sent to none."""
        return self.ended - self.sent if self.sent else None


def pack_peer(
    address: bytes,
    tls_version: bytes,
    server_name: bytes,
    subject: bytes = b"",
    fingerprint: bytes = b"",
) -> bytes:
    """
    Put together what is the same for all requests of a connection.

    Subject and fingerprint are those of the client's certificate.
    """
    return _SEPARATOR.join((address, tls_version, server_name, subject, fingerprint))


def pack_route(namespace: str, ingress: str, path: str, service: str, port: int) -> bytes:
    """Put together what is the same for all requests of a route; no Service: empty, and 0."""
    return "\0".join((namespace, ingress, path, service, str(port))).encode("utf-8", "replace")


Note = tuple[
    float, float, float, int, int, int, int, int, int, bytes, bytes, bytes, bytes, bytes, bytes
]
"""A `Noted` without the names, which are not free, and without the status of a call."""


_Batch = tuple[float, list[Noted]]
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Batch).decode


def pack_batch(offset_seconds: float, notes: Sequence[Note | Noted]) -> bytes:
    """
    Write records, all in one call.

    Args:
        offset_seconds: What to add to the data plane's clock for seconds since the epoch.
        notes: In their order.
    """
    return _encode((offset_seconds, notes))


class AccessRecord(NamedTuple):
    """
    One request for the access log; times in seconds, sizes in bytes.

    ``begun`` is seconds since the epoch. Texts are as clients have sent them, perhaps empty;
    nothing of them is to be trusted. ``origin`` is ``upstream`` or ``proxy``; ``reason`` is the
    code of an answer of our own, or of an end before the answer was whole.
    """

    begun: float
    seconds: float
    upstream_seconds: float | None
    status: int
    tries: int
    bytes_in: int
    bytes_out: int
    body_bytes_out: int
    request_id: str
    client: str
    method: str
    host: str
    path: str
    protocol: str
    user_agent: str
    referer: str
    namespace: str
    ingress: str
    route: str
    service: str
    port: int
    endpoints: str
    origin: str
    reason: str
    tls: str
    server_name: str
    client_subject: str
    client_fingerprint: str
    grpc_status: int | None = None

    @property
    def overhead_seconds(self) -> float:
        """The part of the time in which no endpoint had the request."""
        return max(self.seconds - (self.upstream_seconds or 0.0), 0.0)


def unpack_batch(data: bytes, errors: str = "backslashreplace") -> Iterator[AccessRecord]:
    """
    Read what `pack_batch` has written, record by record.

    Args:
        data: The batch.
        errors: What becomes of bytes of requests that are no UTF-8, see `as_text`.

    Raises:
        BatchError: It is no batch; records before the fault have been given.
    """
    for begun, noted in unpack_noted(data):
        try:
            yield record_of(begun, noted, errors)
        except ValueError as error:
            raise BatchError("a record that nobody has packed") from error


def unpack_noted(data: bytes) -> Iterator[tuple[float, Noted]]:
    """
    Cut what `pack_batch` has written into records, each with seconds since the epoch.

    Raises:
        BatchError: It is no batch; records before the fault have been given.
    """
    offset, notes = unpack_notes(data)
    for noted in notes:
        begun = offset + noted.begun
        if not is_in_time(begun, noted.seconds):
            raise BatchError("a record out of time")
        yield begun, noted


def unpack_notes(data: bytes) -> tuple[float, list[Noted]]:
    """
    Read what `pack_batch` was given.

    Raises:
        BatchError: It is no batch.
    """
    try:
        offset, notes = _decode(data)
    except msgspec.DecodeError as error:
        raise BatchError("not a batch of records") from error
    return offset, notes


def is_in_time(begun: float, seconds: float) -> bool:
    """Say whether both can be told: *begun*, since the epoch, is before the year 10000."""
    return 0 <= begun < _LATEST and 0 <= seconds < _LATEST


class Texts(NamedTuple):
    """What a record's head says, as sent."""

    request_id: str
    client: str
    method: str
    host: str
    path: str
    user_agent: str
    referer: str


def head_alone(sent: bytes) -> bytes:
    """Return the lines of a head, without the empty one and the body that was sent with it."""
    end = sent.find(_EMPTY_LINE)
    return sent if end < 0 else sent[: end + len(_LINE_END)]


def texts_of(noted: Noted, errors: str) -> Texts:
    """Read the head of *noted*; *errors* is as in `as_text`."""
    head = as_text(noted.head, errors)
    method, _, rest = head.partition("\r\n")[0].partition(" ")
    return Texts(
        _own_field("\r\nX-Request-ID: ", head),
        _own_field("\r\nX-Real-IP: ", head) or peer_of(noted.peer)[0],
        method,
        _field(find_host, head),
        as_text(noted.target, errors) if noted.target else rest[: rest.rfind(" ")],
        _field(find_user_agent, head),
        _field(find_referer, head),
    )


def protocol_of(noted: Noted, method: str) -> str:
    """Return the version of HTTP, ``TLS`` where that went through; nothing for no request."""
    return PROTOCOLS.get(noted.minor, "") if method or noted.minor == UNOPENED else ""


def record_of(begun: float, noted: Noted, errors: str = "backslashreplace") -> AccessRecord:
    """
    Read a record; *begun* is in seconds since the epoch, *errors* as in `as_text`.

    Raises:
        ValueError: It is none.
    """
    _, tls, server_name, subject, fingerprint = peer_of(noted.peer)
    texts = texts_of(noted, errors)
    return AccessRecord(
        begun,
        noted.seconds,
        noted.upstream_seconds,
        noted.status,
        noted.tries,
        noted.bytes_in,
        noted.bytes_out,
        noted.body_bytes_out,
        texts.request_id,
        texts.client,
        texts.method,
        texts.host,
        texts.path,
        protocol_of(noted, texts.method),
        texts.user_agent,
        texts.referer,
        *route_of(noted.route),
        as_text(noted.endpoints),
        "proxy" if noted.reason else "upstream",
        as_text(noted.reason),
        tls,
        server_name,
        subject,
        fingerprint,
        noted.grpc_status,
    )


@lru_cache(maxsize=4096)
def peer_of(peer: bytes) -> tuple[str, str, str, str, str]:
    """Take apart what `pack_peer` has put together."""
    address, tls, server_name, subject, fingerprint = as_text(peer).split("\0")
    return address, tls, server_name, subject, fingerprint


@lru_cache(maxsize=4096)
def route_of(route: bytes) -> tuple[str, str, str, str, int]:
    """Take apart what `pack_route` has put together."""
    if not route:
        return "", "", "", "", 0
    namespace, ingress, path, service, port = as_text(route).split("\0")
    return namespace, ingress, path, service, int(port)


def _own_field(begin: str, head: str) -> str:
    """Return the value of a field that only we write, behind those of the client."""
    at = head.rfind(begin)
    return "" if at < 0 else head[at + len(begin) :].partition("\r\n")[0]


def _field(find: Find, head: str) -> str:
    found = find(head)
    return found[1].rstrip(" \t") if found else ""


def as_text(data: bytes, errors: str = "backslashreplace") -> str:
    r"""
    Return *data* as text.

    A byte that is no UTF-8 becomes ``\x`` and two digits, or what else *errors* says
    (``surrogateescape``: one code point, which tells it from those letters).
    """
    return data.decode("utf-8", errors)
