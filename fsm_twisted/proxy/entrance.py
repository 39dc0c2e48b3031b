"""
The way of a new connection from a listener to HTTP: a place, a PROXY header, a TLS handshake.

Each step is there only if the options ask for it, and none is on the way of a request.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL

from fsm_twisted.message.proxy_protocol import ProxyHeader, ProxyHeaderError
from fsm_twisted.net.descriptor import PlainStream
from fsm_twisted.net.proxy_header import ProxyHeaderReading
from fsm_twisted.net.tls import Handshake
from fsm_twisted.proxy.client import Networks, Peer, make_peer
from fsm_twisted.proxy.places import Refusal

if TYPE_CHECKING:
    from fsm_twisted.proxy.plane import DataPlane


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

    def accept(self, sock: socket.socket, address: Any) -> None:
        """
        Take a new connection, or close it.

        Args:
            sock: Non-blocking.
            address: Of the peer, as ``socket.accept`` tells it.
        """
        plane, places = self._plane, self._places
        if places.are_full and not plane.release_descriptor():
            self._refuse(sock, Refusal.MAX_CONNECTIONS)
            return
        peer = self._own_peer(sock, address)
        if not plane.options.proxy_protocol:
            places.enter()
            self._admit(sock, peer)
        elif not peer.is_trusted:
            self._refuse(sock, Refusal.PROXY_UNTRUSTED)
        else:
            places.enter()
            ProxyHeaderReading(
                plane.loop,
                plane.sweep,
                sock,
                plane.options.header_seconds,
                lambda header: self._admit(sock, self._told_peer(header, peer)),
                self._has_no_header,
            )

    def _own_peer(self, sock: socket.socket, address: Any) -> Peer:
        if sock.family == socket.AF_UNIX:
            return self._peer("", 0)
        return self._peer(address[0], sock.getsockname()[1])

    def _told_peer(self, header: ProxyHeader, proxy: Peer) -> Peer:
        """
        Describe the peer that *proxy* speaks for.

        A client that the proxy does not know keeps the proxy's address, but not its credit: the
        fields of its requests are not the proxy's own.
        """
        if header.is_local:
            return proxy
        if header.source is None:
            return self._peer(proxy.address.decode("ascii"), proxy.port, ())
        return self._peer(str(header.source), header.destination_port)

    def _peer(self, host: str, port: int, trusted: Networks | None = None) -> Peer:
        options = self._plane.options
        return make_peer(
            host,
            port,
            is_secure=self._context is not None,
            trusted=options.trusted_proxies if trusted is None else trusted,
        )

    def _has_no_header(self, why: ProxyHeaderError | None) -> None:
        self._places.leave()
        late = Refusal.PROXY_HEADER_LATE
        self._places.refuse(late if why is None else Refusal.PROXY_HEADER_BAD)

    def _admit(self, sock: socket.socket, peer: Peer) -> None:
        """Let a connection that has entered go on, if its client has not too many."""
        plane, places = self._plane, self._places
        if not peer.is_trusted and places.is_too_many(peer.address):
            places.leave()
            self._refuse(sock, Refusal.MAX_PER_CLIENT)
            return
        places.settle(peer.address)
        if self._context is None:
            plane.serve(sock, PlainStream(sock), peer)
            return
        Handshake(
            plane.loop,
            plane.sweep,
            self._context,
            sock,
            plane.options.header_seconds,
            lambda stream: plane.serve(sock, stream, peer),
            lost=lambda: places.rise(peer.address),
        )

    def _refuse(self, sock: socket.socket, refusal: Refusal) -> None:
        sock.close()
        self._places.refuse(refusal)
