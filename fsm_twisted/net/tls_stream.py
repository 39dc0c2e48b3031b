"""
Bytes through an established TLS connection, by pyOpenSSL, record by record.

pyOpenSSL allocates a buffer and asks for errors around every call; on the data path that costs as
much as the encryption. Where its inner functions are as we know them, they are called directly.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

from fsm_twisted.net.client_certificates import Shown

RECORD_BYTES = 16 * 1024  # of plaintext, at most (RFC 8446 section 5.1)
_WAIT = (SSL.WantReadError, SSL.WantWriteError)
_RELIED_UPON = ("SSL_read", "SSL_write", "SSL_get0_alpn_selected")

_lib: Any = getattr(SSL, "_lib", None)
_ffi: Any = getattr(SSL, "_ffi", None)


class TlsStream:
    """
    A `net.descriptor.Stream` through an established TLS connection.

    ``fault`` is why reading has failed, if it has. ``shown`` is what the client has shown of
    itself, None where nobody has asked.
    """

    __slots__ = ("_connection", "_recv", "_send", "_socket", "fault", "shown")

    def __init__(self, connection: SSL.Connection, sock: socket.socket) -> None:
        self._connection = connection
        self._socket = sock
        self._recv = connection.recv
        self._send = connection.send
        self.fault: SSL.Error | None = None
        self.shown: Shown | None = None

    # Not kept: a stream that held a method of its own would go only when the collector comes, and
    # OpenSSL's memory with it, of which the collector knows nothing.
    @property
    def pending(self) -> Callable[[], int] | None:
        """See `Stream`."""
        pending: Callable[[], int] = self._connection.pending
        return pending

    def description(self) -> tuple[bytes, bytes]:
        """Return the version, such as TLSv1.3, and the server name that the client has sent."""
        version = self._connection.get_protocol_version_name().encode("ascii")
        return version, self._connection.get_servername() or b""

    @property
    def protocol(self) -> bytes:
        """The protocol that ALPN has chosen, such as ``b"h2"``; empty for none."""
        return self._connection.get_alpn_proto_negotiated()

    def recv(self, size: int) -> bytes:
        """Read a record's worth; ``b""`` after close_notify."""
        try:
            data: bytes = self._recv(size)
        except _WAIT:
            raise BlockingIOError from None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            self._note(error)
            # No close_notify: whether the input is whole cannot be known.
            raise ConnectionResetError from None
        return data

    def _note(self, fault: SSL.Error) -> None:
        # Without its traceback, whose frames hold this stream and whoever reads by it.
        self.fault = fault.with_traceback(None)

    def send(self, data: Any) -> int:
        """Send as many records as the socket takes."""
        size = len(data)
        if size <= RECORD_BYTES:
            return self._send_record(data)
        view = memoryview(data)
        sent = 0
        while sent < size:
            try:
                sent += self._send_record(view[sent : sent + RECORD_BYTES])
            except BlockingIOError:
                if not sent:
                    raise
                break
        return sent

    def _send_record(self, data: Any) -> int:
        try:
            count: int = self._send(data)
        except _WAIT:
            raise BlockingIOError from None
        except SSL.Error:
            raise ConnectionResetError from None
        return count

    def end_output(self) -> None:
        """Send close_notify (without it no client resumes the session), then FIN."""
        try:
            self._connection.shutdown()
            self._socket.shutdown(socket.SHUT_WR)
        except SSL.WantWriteError:
            raise BlockingIOError from None
        except (SSL.Error, OSError):
            return


def _is_known() -> bool:
    """Return whether pyOpenSSL's inside is as `DirectStream` wants it."""
    return (
        _ffi is not None
        and all(hasattr(_lib, name) for name in _RELIED_UPON)
        and hasattr(SSL.Connection, "_raise_ssl_error")
    )


# One buffer serves all connections: a process reads one record at a time and copies it at once.
_BUFFER: Any = _ffi.new("char[]", RECORD_BYTES) if _is_known() else None
_PLACE: Any = _ffi.new("unsigned char **") if _is_known() else None
_SIZE: Any = _ffi.new("unsigned int *") if _is_known() else None


class DirectStream(TlsStream):
    """
    A `TlsStream` that calls OpenSSL's read and write without pyOpenSSL's frame around them.

    OpenSSL reads no further than a record, so something can be pending only when the last read
    has got all that it asked for.
    """

    __slots__ = ("_is_filled", "_ssl")

    def __init__(self, connection: SSL.Connection, sock: socket.socket) -> None:
        super().__init__(connection, sock)
        self._ssl = connection._ssl
        self._is_filled = True

    @property
    def pending(self) -> Callable[[], int]:
        """See `Stream`."""
        return self._count_pending

    def _count_pending(self) -> int:
        return self._connection.pending() if self._is_filled else 0

    @property
    def protocol(self) -> bytes:
        """See `TlsStream.protocol`."""
        _lib.SSL_get0_alpn_selected(self._ssl, _PLACE, _SIZE)
        size = _SIZE[0]
        chosen: bytes = _ffi.buffer(_PLACE[0], size)[:] if size else b""
        return chosen

    def recv(self, size: int) -> bytes:
        """See `TlsStream.recv`."""
        wanted = size if size < RECORD_BYTES else RECORD_BYTES
        count = _lib.SSL_read(self._ssl, _BUFFER, wanted)
        if count > 0:
            self._is_filled = count == wanted
            data: bytes = _ffi.buffer(_BUFFER, count)[:]
            return data
        return self._explain_read(count)

    def _explain_read(self, count: int) -> bytes:
        try:
            self._connection._raise_ssl_error(self._ssl, count)
        except _WAIT:
            raise BlockingIOError from None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            self._note(error)
            raise ConnectionResetError from None
        raise ConnectionResetError

    def _send_record(self, data: Any) -> int:
        record = data if isinstance(data, bytes) else _ffi.from_buffer(data)
        count: int = _lib.SSL_write(self._ssl, record, len(data))
        if count > 0:
            return count
        try:
            self._connection._raise_ssl_error(self._ssl, count)
        except _WAIT:
            raise BlockingIOError from None
        except SSL.Error:
            raise ConnectionResetError from None
        raise ConnectionResetError


def make_stream(connection: SSL.Connection, sock: socket.socket) -> TlsStream:
    """Make the stream of a connection whose handshake is done."""
    return (DirectStream if _is_known() else TlsStream)(connection, sock)
