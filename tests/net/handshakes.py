"""TLS clients of OpenSSL, in turns with our handshakes on the hand-turned reactor."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from OpenSSL import SSL, crypto

from fsm_twisted.net.handshake import Handshake
from fsm_twisted.net.sweep import Sweep
from fsm_twisted.net.tls_stream import TlsStream
from tests.net.turning import Recorder, narrow_pair, turning

WORLD = turning()
T = TypeVar("T")


def name_in(shown: crypto.X509) -> str:
    """Return the common name of a certificate."""
    subject = shown.to_cryptography().subject.rfc4514_string()
    return subject.removeprefix("CN=")


def retried(step: Callable[[], T]) -> T:
    """Do a step of OpenSSL, with turns of the reactor until it does not have to wait."""
    results: list[T] = []

    def is_done() -> bool:
        try:
            results.append(step())
        except (SSL.WantReadError, SSL.WantWriteError, ssl.SSLWantReadError):
            return False
        return True

    WORLD.until(is_done)
    return results[0]


class Server:
    """Our side: the handshake, then a recorder on the stream that it gives."""

    def __init__(self, front: SSL.Context, sock: socket.socket, seconds: float = 10.0) -> None:
        self.sock = sock
        self.streams: list[TlsStream] = []
        self.recorder = Recorder(WORLD.reactor)
        self.sweep = Sweep(WORLD.reactor, WORLD.reactor.seconds)
        self.handshake = Handshake(
            WORLD.reactor, self.sweep, front, sock, seconds, self._established
        )

    def _established(self, stream: TlsStream) -> None:
        self.streams.append(stream)
        self.recorder.attach(self.sock, stream)
        self.recorder.resumeProducing()

    def close(self) -> None:
        if self.streams:
            self.recorder.close()
        self.handshake.connectionLost(None)


class Client:
    """A TLS connection to a `Server`, established or failed."""

    def __init__(
        self,
        front: SSL.Context,
        name: bytes | None = None,
        *,
        version: int = SSL.TLS1_3_VERSION,
        offered: tuple[bytes, ...] = (),
    ) -> None:
        ours, theirs = narrow_pair(32768)
        self.sock = theirs
        self.server = Server(front, ours)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        # Otherwise the client itself refuses what is older than TLS 1.2.
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        if offered:
            context.set_alpn_protos(list(offered))
        self.tls = SSL.Connection(context, theirs)
        self.tls.set_connect_state()
        if name is not None:
            self.tls.set_tlsext_host_name(name)

    def shake_hands(self) -> Client:
        retried(self.tls.do_handshake)
        WORLD.until(lambda: self.server.streams)
        return self

    @property
    def common_name(self) -> str:
        """The name in the certificate that the server has shown."""
        shown = self.tls.get_peer_certificate()
        assert shown is not None
        return name_in(shown)

    @property
    def chain(self) -> list[str]:
        """The names in the whole chain that the server has sent."""
        return [name_in(each) for each in self.tls.get_peer_cert_chain() or ()]

    def hear(self) -> None:
        """Have the server say something, and hear it."""
        self.server.recorder.write(b"!")
        assert retried(lambda: self.tls.recv(1)) == b"!"

    def close(self) -> None:
        self.server.close()
        self.sock.close()
        WORLD.settle()


@contextlib.contextmanager
def connected(front: SSL.Context, name: bytes | None = None, **how: Any) -> Iterator[Client]:
    """Connect for a while."""
    client = Client(front, name, **how)
    try:
        yield client.shake_hands()
    finally:
        client.close()
