"""An endpoint that answers before it was asked answers nobody."""

from __future__ import annotations

import socket

from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.proxy.entrance import Entrance
from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import Match, Route, Snapshot, Upstream, VirtualHost
from tests.net.turning import tcp_pair, turning
from tests.proxy.planes import plane_on

ASKED = b"GET /%b HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%b"


def leading_to(port: int) -> Snapshot:
    ingress = IngressId("default", "web")
    key = UpstreamId(ingress, ServicePortId("default", "web", 80))
    route = Route(ingress, "a.example", "/", Match.PREFIX, key)
    return Snapshot(
        1,
        {"a.example": VirtualHost("a.example", (route,))},
        {key: Upstream(key, (Endpoint("127.0.0.1", port),))},
    )


def test_bytes_that_nobody_asked_for_are_no_answer_to_a_request_of_the_same_turn() -> None:
    world = turning(FsmReactor)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5.0)
    plane = plane_on(world)
    plane.activate(leading_to(listener.getsockname()[1]))
    ours, client = tcp_pair()
    Entrance(plane).accept(ours, ("192.0.2.1", 4711))

    client.sendall(ASKED % b"one")
    world.settle()
    first, _ = listener.accept()
    world.until(lambda: first.recv(2000, socket.MSG_PEEK).startswith(b"GET /one "))
    first.sendall(ANSWER % b"good")
    world.settle()
    assert client.recv(2000).endswith(b"good")

    # Both are ready when the reactor looks next.
    client.sendall(ASKED % b"two")
    first.sendall(ANSWER % b"evil")
    world.settle()
    second, _ = listener.accept()
    world.settle()
    assert second.recv(2000).startswith(b"GET /two ")
    second.sendall(ANSWER % b"fine")
    world.settle()
    assert client.recv(2000).endswith(b"fine")

    for each in (first, second, client, listener):
        each.close()
    plane.cut()
    world.settle()
