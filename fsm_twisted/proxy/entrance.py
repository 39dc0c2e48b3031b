"""
The way of a new connection from a listener to HTTP: a place, a PROXY header, a TLS handshake.
Where TLS of some hosts goes through unopened, the ClientHello is looked at before the handshake.

Each step is there only if the options ask for it, and none is on the way of a request.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import attrs
from OpenSSL import SSL

from fsm_twisted.message.proxy_protocol import ProxyHeader, ProxyHeaderError
from fsm_twisted.net.handshake import Handshake, HandshakeResult
from fsm_twisted.net.hello import HelloReading
from fsm_twisted.net.preface import PrefaceReading
from fsm_twisted.net.proxy_header import ProxyHeaderReading
from fsm_twisted.net.stream import PlainStream
from fsm_twisted.net.tls_stream import TlsStream
from fsm_twisted.proxy.client import Peer, make_peer
from fsm_twisted.proxy.client_identity import ClientIdentity
from fsm_twisted.proxy.places import Refusal
from fsm_twisted.proxy.trusted_proxies import TrustedProxies

if TYPE_CHECKING:
    from fsm_twisted.proxy.plane import DataPlane

_NOBODY = TrustedProxies()


class Entrance:
    """
    Where the connections of one listener come in.

    Args:
        plane: What serves them in the end.
        context: The front context of an HTTPS listener, None for plain HTTP.
    """

    def __init__(self, plane: DataPlane, context: SSL.Context | None = None) -> None:
        self._plane = plane
        self._places = plane.places
        self._context = context
        self._port = 0  # the listener's, known from the first connection on

    def accept(self, sock: socket.socket, address: Any) -> None:
        """
        Take a new connection, or close it.

        Args:
            sock: Non-blocking.
            address: Of the peer, as ``socket.accept`` tells it.
        """
        plane, places = self._plane, self._places
        tells = plane.options.proxy_protocol
        peer = self._own_peer(sock, address)
        if tells and not peer.is_trusted:
            self._refuse(sock, Refusal.PROXY_UNTRUSTED)
        elif not tells and self._has_too_many(peer):
            self._refuse(sock, Refusal.MAX_PER_CLIENT)
        # Nobody is asked to make room for one of those above.
        elif places.are_full and not plane.make_room():
            self._refuse(sock, Refusal.MAX_CONNECTIONS)
        elif not tells:
            places.enter()
            self._let_in(sock, peer)
        else:
            places.enter()
            ProxyHeaderReading(
                plane.loop,
                plane.sweep,
                sock,
                plane.options.header_seconds,
                lambda header: self._has_told(sock, self._told_peer(header, peer)),
                self._has_no_header,
            )

    def _own_peer(self, sock: socket.socket, address: Any) -> Peer:
        if sock.family == socket.AF_UNIX:
            return self._peer("", 0)
        if not self._port:
            self._port = sock.getsockname()[1]
        return self._peer(address[0], self._port)

    def _told_peer(self, header: ProxyHeader, proxy: Peer) -> Peer:
        """
        Describe the peer that *proxy* speaks for.

        A client that the proxy does not know keeps the proxy's address, but not its credit: the
        fields of its requests are not the proxy's own.
        """
        if header.is_local:
            return proxy
        if header.source is None:
            return self._peer(proxy.address.decode("ascii"), proxy.port, _NOBODY)
        return self._peer(str(header.source), header.destination_port)

    def _peer(self, host: str, port: int, trusted: TrustedProxies | None = None) -> Peer:
        return make_peer(
            host,
            port,
            is_secure=self._context is not None,
            trusted=self._plane.trusted_proxies if trusted is None else trusted,
        )

    def _has_no_header(self, why: ProxyHeaderError | None) -> None:
        self._places.leave()
        late = Refusal.PROXY_HEADER_LATE
        self._places.refuse(late if why is None else Refusal.PROXY_HEADER_BAD)

    def _has_too_many(self, peer: Peer) -> bool:
        # A trusted proxy brings the connections of many clients.
        return not peer.is_trusted and self._places.is_too_many(peer.address)

    def _has_told(self, sock: socket.socket, peer: Peer) -> None:
        """Let a connection go on whose client the header has told."""
        if self._has_too_many(peer):
            self._places.leave()
            self._refuse(sock, Refusal.MAX_PER_CLIENT)
        else:
            self._let_in(sock, peer)

    def _let_in(self, sock: socket.socket, peer: Peer) -> None:
        plane, places = self._plane, self._places
        places.settle(peer.address)
        if self._context is None:
            self._serve_plain(sock, peer)
            return
        if plane.runtime.active.passthrough is None:
            self._shake_hands(sock, peer)
            return
        HelloReading(
            plane.loop,
            plane.sweep,
            sock,
            plane.options.header_seconds,
            lambda name: self._has_named(sock, peer, name),
            lambda result: self._not_secured(peer, result),
        )

    def _has_named(self, sock: socket.socket, peer: Peer, name: bytes) -> None:
        """Pass a connection through, or open it, as its server name says."""
        route = self._plane.runtime.active.way_of(name)
        if route is None:
            self._shake_hands(sock, peer)
            return
        self._plane.handshakes[HandshakeResult.PASSED.value] += 1
        self._plane.pass_through(sock, peer, route, name)

    def _shake_hands(self, sock: socket.socket, peer: Peer) -> None:
        plane, context = self._plane, self._context
        assert context is not None  # noqa: S101  of an HTTPS listener
        Handshake(
            plane.loop,
            plane.sweep,
            context,
            sock,
            plane.options.header_seconds,
            lambda stream: self._secured(sock, stream, peer),
            lost=lambda handshake, result: self._has_failed(peer, handshake, result),
        )

    def _secured(self, sock: socket.socket, stream: TlsStream, peer: Peer) -> None:
        self._plane.handshakes[HandshakeResult.DONE.value] += 1
        if stream.shown is not None:
            _, server_name = stream.description()
            peer = attrs.evolve(peer, identity=ClientIdentity(stream.shown, server_name))
        if stream.protocol == b"h2":
            self._plane.serve_http2(sock, stream, peer)
        else:
            self._plane.serve(sock, stream, peer)

    def _serve_plain(self, sock: socket.socket, peer: Peer) -> None:
        plane, stream = self._plane, PlainStream(sock)
        if not plane.options.h2c:
            plane.serve(sock, stream, peer)
            return
        PrefaceReading(
            plane.loop,
            plane.sweep,
            sock,
            plane.options.header_seconds,
            lambda first: plane.serve_http2(sock, stream, peer, first),
            lambda first: plane.serve(sock, stream, peer, first),
            lost=lambda: self._places.rise(peer.address),
        )

    def _has_failed(self, peer: Peer, handshake: Handshake, result: HandshakeResult) -> None:
        if fault := handshake.certificate_fault:
            self._plane.refused_clients.note(handshake.server_name, fault)
        self._not_secured(peer, result)

    def _not_secured(self, peer: Peer, result: HandshakeResult) -> None:
        self._plane.handshakes[result.value] += 1
        self._places.rise(peer.address)

    def _refuse(self, sock: socket.socket, refusal: Refusal) -> None:
        sock.close()
        self._places.refuse(refusal)
