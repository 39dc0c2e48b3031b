"""
The server name of a TLS ClientHello, read before anybody takes part in the handshake.

RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3. The hello may be split over records and over
reads at any byte; hellos with post-quantum key shares are longer than a packet.
"""

from __future__ import annotations

from typing import Final

import attrs

# What a hello may take, with the heads of its records. OpenSSL's own limit is 128 KiB; the longest
# that browsers send are below 4 KiB.
MAX_HELLO_BYTES: Final = 32 * 1024

_HANDSHAKE: Final = 22
_RECORD_HEAD: Final = 5
_MAX_RECORD: Final = 16 * 1024
_CLIENT_HELLO: Final = 1
_HEAD: Final = 4
_RANDOM_END: Final = 34  # version and random
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_MAX_NAME: Final = 255


class ClientHelloError(Exception):
    """What the client sends is no ClientHello; the text is one of a few fixed ones."""


class ClientHelloTooLong(ClientHelloError):
    """It is longer than `MAX_HELLO_BYTES`, or says that it will be."""


@attrs.frozen
class ClientHello:
    """What is asked of the server: ``server_name`` as sent, empty when there is none."""

    server_name: bytes


class _Reader:
    """Takes fields off a message whose end is known."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def has_more(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ClientHelloError("a length in the ClientHello is wrong")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """Take what follows a length of *size* bytes."""
        return self.take(self.number(size))


def read_client_hello(data: bytes) -> ClientHello | None:
    """
    Read the ClientHello at the start of *data*.

    Returns:
        None when more input is needed.

    Raises:
        ClientHelloTooLong: It is longer than `MAX_HELLO_BYTES`.
        ClientHelloError: It is none.
    """
    message = _handshake_bytes(data)
    if message[:1] not in {b"", b"\x01"}:
        raise ClientHelloError("the first handshake message is no ClientHello")
    if len(message) >= _HEAD:
        size = int.from_bytes(message[1:_HEAD])
        if size > MAX_HELLO_BYTES:
            raise ClientHelloTooLong("the ClientHello is too long")
        if len(message) >= _HEAD + size:
            return ClientHello(_server_name(_Reader(message[_HEAD : _HEAD + size])))
    if len(data) > MAX_HELLO_BYTES:
        raise ClientHelloTooLong("the ClientHello is too long")
    return None


def _handshake_bytes(data: bytes) -> bytes:
    """Return the payload of the handshake records in *data*, of the last one what there is."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        if data[at] != _HANDSHAKE:
            raise ClientHelloError("it does not begin with a TLS handshake record")
        if len(data) > at + 1 and data[at + 1] != 3:  # noqa: PLR2004  of every version since SSL 3
            raise ClientHelloError("it does not begin with a TLS handshake record")
        if len(data) < at + _RECORD_HEAD:
            break
        size = int.from_bytes(data[at + 3 : at + _RECORD_HEAD])
        if not 0 < size <= _MAX_RECORD:
            raise ClientHelloError("the length of a TLS record is wrong")
        at += _RECORD_HEAD
        parts.append(data[at : at + size])
        at += size
        if _is_whole(parts):
            break
    return b"".join(parts)


def _is_whole(parts: list[bytes]) -> bool:
    """Tell whether the hello has ended: what follows may be early data, not a handshake."""
    head = b"".join(parts)[:_HEAD] if len(parts[0]) < _HEAD else parts[0][:_HEAD]
    if len(head) < _HEAD:
        return False
    return sum(map(len, parts)) >= _HEAD + int.from_bytes(head[1:])


def _server_name(hello: _Reader) -> bytes:
    hello.take(_RANDOM_END)
    hello.vector(1)  # session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    if not hello.has_more():
        return b""
    extensions = _Reader(hello.vector(2))
    if hello.has_more():
        raise ClientHelloError("a length in the ClientHello is wrong")
    found: bytes | None = None
    while extensions.has_more():
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            if found is not None:
                raise ClientHelloError("the ClientHello names the server twice")
            found = _host_name(_Reader(_Reader(body).vector(2)))
    return found or b""


def _host_name(names: _Reader) -> bytes:
    while names.has_more():
        kind, name = names.number(1), names.vector(2)
        if kind == _HOST_NAME:
            if not 0 < len(name) <= _MAX_NAME or b"\0" in name:
                raise ClientHelloError("the server name of the ClientHello is not valid")
            return name
    return b""
