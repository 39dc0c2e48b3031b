"""
What the access log is told of each request, and how it travels to the one who writes it.

Whoever serves requests has no time to write lines: it packs what it knows, heads unread, and
sends batches. Reading heads and making lines is the writer's work.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from typing import Any, Final, NamedTuple

_BEGIN: Final = struct.Struct("=dI")
_NUMBERS: Final = "dddHHBQQQ"  # those of `Noted` in their order, as `array` writes them
_TEXTS: Final = 6  # that follow
_SIZE: Final = "I"  # of a text
_LINE_END: Final = b"\r\n"
_EMPTY_LINE: Final = b"\r\n\r\n"
_SEPARATOR: Final = b"\0"  # in nothing that is put together with it
UNOPENED: Final = 30
"""Stands where HTTP/1.x has its minor version, of a TLS connection that went through unopened."""
_PROTOCOLS: Final = {0: "HTTP/1.0", 1: "HTTP/1.1", 20: "HTTP/2.0", UNOPENED: "TLS"}
_LATEST: Final = 253402300800.0  # year 10000: nothing after it has a date


class BatchError(ValueError):
    """Bytes that are no batch of records."""


class Noted(NamedTuple):
    """
    One request as the data plane tells it.

    ``begun``, ``ended`` and ``sent`` (to an endpoint; 0: it was not) are on the data plane's own
    clock. ``head`` is the request's as it was forwarded, with our fields: whatever was
    asked for stands there, but for a ``target`` that was rewritten. No body ever follows it.
    ``peer`` is made by `pack_peer`, ``route`` by `pack_route`, or empty. ``endpoints`` are those
    tried, as text, between commas. ``minor`` is that of HTTP/1.x, 20 for HTTP/2, or `UNOPENED`.
    ``reason`` is empty when the endpoint's answer was passed on, whole.
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
"""A `Noted` without the names, which are not free."""


def pack_batch(offset_seconds: float, notes: Sequence[Note]) -> bytes:
    """
    Write records, column by column: a few calls for all of them, none for each.

    Args:
        offset_seconds: What to add to the data plane's clock for seconds since the epoch.
        notes: In their order.
    """
    columns: list[tuple[Any, ...]] = list(zip(*notes, strict=True))
    numbers = [array(*each) for each in zip(_NUMBERS, columns, strict=False)]
    texts = list(chain(*columns[len(_NUMBERS) :]))
    sizes = array(_SIZE, list(map(len, texts)))
    return b"".join((_BEGIN.pack(offset_seconds, len(notes)), *numbers, sizes, *texts))


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

    @property
    def overhead_seconds(self) -> float:
        """The part of the time in which no endpoint had the request."""
        return max(self.seconds - (self.upstream_seconds or 0.0), 0.0)


def unpack_batch(data: bytes) -> Iterator[AccessRecord]:
    """
    Read what `pack_batch` has written, record by record.

    Raises:
        BatchError: It is no batch; records before the fault have been given.
    """
    for begun, noted in unpack_noted(data):
        try:
            yield record_of(begun, noted)
        except ValueError as error:
            raise BatchError("a record that nobody has packed") from error


def unpack_noted(data: bytes) -> Iterator[tuple[float, Noted]]:
    """
    Cut what `pack_batch` has written into records, each with seconds since the epoch.

    Raises:
        BatchError: It is no batch; records before the fault have been given.
    """
    try:
        offset, columns = _columns(data)
    except (struct.error, ValueError) as error:
        raise BatchError("not a batch of records") from error
    for noted in map(Noted._make, zip(*columns, strict=True)):
        begun = offset + noted.begun
        if not (0 <= begun < _LATEST and 0 <= noted.seconds < _LATEST):
            raise BatchError("a record out of time")
        yield begun, noted


def _columns(data: bytes) -> tuple[float, list[Sequence[Any]]]:
    offset, count = _BEGIN.unpack_from(data)
    at = _BEGIN.size
    columns: list[Sequence[Any]] = []
    for code in _NUMBERS:
        column, at = _numbers(code, count, data, at)
        columns.append(column)
    sizes, at = _numbers(_SIZE, count * _TEXTS, data, at)
    ends = list(accumulate(sizes, initial=at))
    if ends[-1] != len(data):
        raise BatchError("a record is cut short")
    texts = [data[begin:end] for begin, end in pairwise(ends)]
    columns += (texts[at : at + count] for at in range(0, len(texts), count or 1))
    return offset, columns


def _numbers(code: str, count: int, data: bytes, at: int) -> tuple[Sequence[Any], int]:
    """Read a column of so many numbers; return where the next one begins, too."""
    column = array(code)
    end = at + count * column.itemsize
    column.frombytes(data[at:end])
    if len(column) != count:
        raise BatchError("a record is cut short")
    return column, end


class Texts(NamedTuple):
    """What a record's head says, as sent."""

    request_id: bytes
    client: bytes
    method: bytes
    host: bytes
    path: bytes
    user_agent: bytes
    referer: bytes


def head_alone(sent: bytes) -> bytes:
    """Return the lines of a head, without the empty one and the body that was sent with it."""
    end = sent.find(_EMPTY_LINE)
    return sent if end < 0 else sent[: end + len(_LINE_END)]


def texts_of(noted: Noted) -> Texts:
    """Read the head of *noted*."""
    head = noted.head
    method, _, rest = head[: head.find(b"\r\n")].partition(b" ")
    return Texts(
        _own_field(b"\r\nX-Request-ID: ", head),
        _own_field(b"\r\nX-Real-IP: ", head) or noted.peer.partition(_SEPARATOR)[0],
        method,
        _field(b"\r\nHost: ", b"\r\nhost:", head),
        noted.target or rest.rpartition(b" ")[0],
        _field(b"\r\nUser-Agent: ", b"\r\nuser-agent:", head),
        _field(b"\r\nReferer: ", b"\r\nreferer:", head),
    )


def protocol_of(noted: Noted, method: bytes) -> str:
    """Return the version of HTTP, ``TLS`` where that went through; nothing for no request."""
    return _PROTOCOLS.get(noted.minor, "") if method or noted.minor == UNOPENED else ""


def record_of(begun: float, noted: Noted) -> AccessRecord:
    """
    Read a record; *begun* is in seconds since the epoch.

    Raises:
        ValueError: It is none.
    """
    _, *of_tls = peer_of(noted.peer)
    texts = texts_of(noted)
    return AccessRecord(
        begun,
        noted.seconds,
        noted.upstream_seconds,
        noted.status,
        noted.tries,
        noted.bytes_in,
        noted.bytes_out,
        noted.body_bytes_out,
        as_text(texts.request_id),
        as_text(texts.client),
        as_text(texts.method),
        as_text(texts.host),
        as_text(texts.path),
        protocol_of(noted, texts.method),
        as_text(texts.user_agent),
        as_text(texts.referer),
        *route_of(noted.route),
        as_text(noted.endpoints),
        "proxy" if noted.reason else "upstream",
        as_text(noted.reason),
        *of_tls,
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


def _own_field(begin: bytes, head: bytes) -> bytes:
    """Return the value of a field that only we write."""
    at = head.find(begin)
    return b"" if at < 0 else head[at + len(begin) : head.find(b"\r\n", at + len(begin))]


def _field(begin: bytes, lowered: bytes, head: bytes) -> bytes:
    """Return the value of a field, looking first for its usual spelling, which is quicker."""
    at = head.find(begin)
    if at < 0:
        at = head.lower().find(lowered)
        if at < 0:
            return b""
    start = at + len(lowered)
    return head[start : head.find(b"\r\n", start)].strip(b" \t")


def as_text(data: bytes) -> str:
    r"""Return *data* as text; a byte that is no UTF-8 becomes ``\x`` and two digits."""
    return data.decode("utf-8", "backslashreplace")
