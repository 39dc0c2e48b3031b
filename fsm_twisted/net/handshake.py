"""A client's TLS handshake with us, and how it has ended."""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import Enum
from typing import Final

from OpenSSL import SSL
from twisted.internet import main

from fsm_twisted.net.chain_faults import chain_fault
from fsm_twisted.net.client_certificates import asking_of, shown_by
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.newcomer import Newcomer
from fsm_twisted.net.sweep import Sweep
from fsm_twisted.net.tls import NoCommonProtocol
from fsm_twisted.net.tls_stream import TlsStream, make_stream


class HandshakeResult(Enum):
    """How a handshake has ended; the values are labels of metrics."""

    DONE = "ok"
    PASSED = "passed_through"
    TIMEOUT = "timeout"
    CLIENT_GONE = "client_gone"
    CLIENT_REFUSED = "client_refused"
    NOT_TLS = "not_tls"
    NO_COMMON_VERSION = "no_common_version"
    NO_COMMON_CIPHER = "no_common_cipher"
    NO_COMMON_PROTOCOL = "no_common_protocol"
    HELLO_TOO_LONG = "hello_too_long"
    CERTIFICATE_MISSING = "client_certificate_missing"
    CERTIFICATE_REFUSED = "client_certificate_refused"
    OTHER = "other"


LINGER_SECONDS: Final = 2.0
"""How long a client has to read why it is refused, before its connection is closed."""

# By words of OpenSSL's reasons: a client chooses among its hundreds of errors, a label has few.
_RESULTS: Final = {
    "http request": HandshakeResult.NOT_TLS,
    "https proxy request": HandshakeResult.NOT_TLS,
    "wrong version number": HandshakeResult.NOT_TLS,
    "packet length too long": HandshakeResult.NOT_TLS,
    "unsupported protocol": HandshakeResult.NO_COMMON_VERSION,
    "version too low": HandshakeResult.NO_COMMON_VERSION,
    "no shared cipher": HandshakeResult.NO_COMMON_CIPHER,
    "no suitable signature algorithm": HandshakeResult.NO_COMMON_CIPHER,
    "no suitable key share": HandshakeResult.NO_COMMON_CIPHER,
    "peer did not return a certificate": HandshakeResult.CERTIFICATE_MISSING,
    "certificate verify failed": HandshakeResult.CERTIFICATE_REFUSED,
    "unexpected eof while reading": HandshakeResult.CLIENT_GONE,
}


_REFUSED: Final = frozenset(
    {HandshakeResult.CERTIFICATE_MISSING, HandshakeResult.CERTIFICATE_REFUSED}
)
_DISCARDED_BYTES: Final = 64 * 1024


def handshake_result(error: SSL.Error | NoCommonProtocol) -> HandshakeResult:
    """Sort what has ended a handshake into the few kinds that are counted."""
    if isinstance(error, NoCommonProtocol):
        return HandshakeResult.NO_COMMON_PROTOCOL
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError):
        return HandshakeResult.CLIENT_GONE
    reasons = [str(entry[-1]) for entry in error.args[0]] if error.args else []
    for reason in reasons:
        if reason in _RESULTS:
            return _RESULTS[reason]
        if " alert " in reason:  # "sslv3 alert certificate unknown": the client has sent it
            return HandshakeResult.CLIENT_REFUSED
    return HandshakeResult.OTHER


class Handshake(Newcomer):
    """
    A server-side TLS handshake.

    Args:
        loop: The reactor.
        sweep: Ends handshakes that take longer than *seconds*.
        context: The listener's front context.
        sock: A new connection, non-blocking.
        done: Called with the stream when the handshake has succeeded.
        lost: Called once, with the socket closed, when it has not: with this, and the reason.
    """

    __slots__ = ("_connection", "_done", "_lingers", "_lost", "_result", "_writing")

    def __init__(  # noqa: PLR0913  as many as there are things to know
        self,
        loop: EventLoop,
        sweep: Sweep,
        context: SSL.Context,
        sock: socket.socket,
        seconds: float,
        done: Callable[[TlsStream], None],
        *,
        lost: Callable[[Handshake, HandshakeResult], None] = lambda *_: None,
    ) -> None:
        self._connection = SSL.Connection(context, sock)
        self._connection.set_accept_state()
        self._done = done
        self._lost = lost
        self._result = HandshakeResult.CLIENT_GONE
        self._writing = False
        self._lingers = False
        super().__init__(loop, sweep, sock, seconds)

    def doRead(self) -> Exception | None:
        """Take the handshake a step further."""
        if not self._is_open:
            # One event may say readable and writable; the first of the two has ended it.
            return None
        if self._lingers:
            return self._discard()
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._want_write(wanted=False)
            return None
        except SSL.WantWriteError:
            self._want_write(wanted=True)
            return None
        except (SSL.Error, NoCommonProtocol) as error:
            self._result = handshake_result(error)
            return self._linger() if self._result in _REFUSED else main.CONNECTION_LOST
        return self._shaken()

    doWrite = doRead

    def _shaken(self) -> Exception | None:
        """
        Take over, unless the client has to show a certificate and has shown none that will do.

        Without close_notify the connection ends at once, and its session is not resumed again.
        """
        asking = asking_of(self._connection)
        shown = None
        if asking is not None:
            shown = shown_by(self._connection, asking)
            if shown is None:
                self._result = (
                    HandshakeResult.CERTIFICATE_REFUSED
                    if asking.fault
                    else HandshakeResult.CERTIFICATE_MISSING
                )
                return main.CONNECTION_LOST
        self.release()
        stream = make_stream(self._connection, self._socket)
        stream.shown = shown
        self._done(stream)
        return None

    def _linger(self) -> Exception | None:
        """
        Have the client read the alert.

        Closing while its first request waits unread would send a reset, which destroys the alert.
        """
        self._lingers = True
        self._want_write(wanted=False)
        self.deadline = min(self.deadline, self._sweep.seconds() + LINGER_SECONDS)
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return main.CONNECTION_LOST
        return self._discard()

    def _discard(self) -> Exception | None:
        try:
            return None if self._socket.recv(_DISCARDED_BYTES) else main.CONNECTION_LOST
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST

    @property
    def server_name(self) -> bytes:
        """The server name that the client has sent, empty for none."""
        return self._connection.get_servername() or b""

    @property
    def certificate_fault(self) -> str:
        """What is wrong with the client's certificate, in fixed words; empty for nothing."""
        if self._result is HandshakeResult.CERTIFICATE_MISSING:
            return "it is missing"
        asking = asking_of(self._connection)
        if asking is None or self._result is not HandshakeResult.CERTIFICATE_REFUSED:
            return ""
        return chain_fault(asking.fault, purpose="clients")

    def _want_write(self, *, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            (self._loop.addWriter if wanted else self._loop.removeWriter)(self)

    def release(self) -> None:
        """Leave the reactor with the socket open."""
        super().release()
        self._want_write(wanted=False)

    def expired(self) -> None:
        """Give up a client that does not finish its handshake, or does not go."""
        if not self._lingers:
            self._result = HandshakeResult.TIMEOUT
        super().expired()

    def gone(self) -> None:
        """Tell how it has failed."""
        self._lost(self, self._result)
