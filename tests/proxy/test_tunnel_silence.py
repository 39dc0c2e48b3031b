"""A tunnel ends after its own silence, not after that of a body."""

from __future__ import annotations

import socket

from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.proxy.downstream import Downstream
from fsm_twisted.proxy.entrance import Entrance
from tests.net.turning import tcp_pair, turning
from tests.proxy.planes import plane_on
from tests.proxy.test_unasked import leading_to

ASKED = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
AGREED = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_a_tunnel_that_was_held_back_may_be_as_silent_as_before() -> None:
    world = turning(FsmReactor)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5.0)
    plane = plane_on(world, body_seconds=10, tunnel_seconds=1000)
    plane.activate(leading_to(listener.getsockname()[1]))
    ours, client = tcp_pair()
    Entrance(plane).accept(ours, ("192.0.2.1", 4711))
    client.sendall(ASKED)
    world.settle()
    endpoint, _ = listener.accept()
    endpoint.sendall(AGREED)
    world.settle()
    (downstream,) = plane.connections
    assert isinstance(downstream, Downstream)

    for happens in (downstream.output_progressed, downstream.output_drained):
        downstream.deadline = 0.0
        happens()
        assert downstream.deadline == plane.options.tunnel_seconds

    for each in (endpoint, client, listener):
        each.close()
    plane.cut()
    world.settle()
