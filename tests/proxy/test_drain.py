"""Who only keeps a connection open does not hold up the end."""

from __future__ import annotations

from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.proxy.entrance import Entrance
from tests.net.turning import read_all, tcp_pair, turning
from tests.proxy.planes import plane_on

ASKED = b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n"


def test_idle_connections_delay_nothing_although_their_clients_keep_them() -> None:
    world = turning(FsmReactor)
    plane = plane_on(world)
    drained: list[bool] = []
    idle, fresh = tcp_pair(), tcp_pair()
    for ours, _ in (idle, fresh):
        Entrance(plane).accept(ours, ("192.0.2.1", 4711))
    idle[1].sendall(ASKED)
    world.settle()
    assert len(plane.connections) == 2

    plane.drain(lambda: drained.append(True))

    assert drained == [True]
    assert read_all(world, idle[1]).startswith(b"HTTP/1.1 404 ")
    for _, client in (idle, fresh):
        client.close()
