"""Time: every wait has an end. All limits are a second here, so nothing takes longer than two."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.lanes import World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program


@pytest.fixture
def dial_hasty(hasty: Program) -> Iterator[Callable[[], Client]]:
    clients: list[Client] = []

    def run() -> Client:
        clients.append(connect(hasty.http))
        return clients[-1]

    yield run
    for client in clients:
        client.close()


def trickle(client: Client, data: bytes, stop: threading.Event) -> None:
    """Send a byte a tenth of a second until told to stop."""
    for n in range(len(data)):
        if stop.wait(0.1):
            return
        try:
            client.send(data[n : n + 1])
        except OSError:
            return


@attrs.frozen
class Ground:
    """What each wait stands on; they all run at once, each on lanes of its own."""

    program: Program
    world: World
    dial: Callable[[], Client]
    stop: threading.Event


Wait = Callable[[Ground], None]
WAITS: list[Wait] = []


def wait(function: Wait) -> Wait:
    WAITS.append(function)
    return function


@wait
def silent_before_a_request(on: Ground) -> None:
    assert on.dial().rest() in {(b"", "fin"), (b"", "reset")}


@wait
def idle_after_a_request(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.answer(OK)
    client = on.dial()
    assert client.ask(lane.get()).status == 200
    assert client.ending() == "fin"


@wait
def half_a_head(on: Ground) -> None:
    client = on.dial()
    client.send(b"GET / HTTP/1.1\r\nHost: a")
    assert client.response().status == 408
    assert client.ending() == "fin"


@wait
def a_head_byte_by_byte(on: Ground) -> None:
    client = on.dial()
    answered = threading.Event()
    data = b"GET / HTTP/1.1\r\nX: " + b"a" * 60
    writing = threading.Thread(target=trickle, args=(client, data, answered))
    writing.start()
    assert client.response().status == 408
    assert writing.is_alive(), "bytes must not stretch the time of a head"
    answered.set()
    client.rest()
    writing.join(PATIENCE)


@wait
def half_a_second_head(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.answer(OK)
    client = on.dial()
    client.send(lane.get() + b"GET /")
    assert client.response().status == 200
    assert client.response().status == 408


@wait
def a_body_that_stops(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(once(OK))
    client = on.dial()
    client.send(lane.request(b"POST", b"/", b"Content-Length: 10\r\n") + b"hello")
    assert client.response().status == 408
    served = lane.backend.connection()
    served.wait_ended()
    assert served.requests == []


@wait
def a_slow_body_that_moves(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.answer(OK)
    client = on.dial()
    client.send(lane.request(b"POST", b"/", b"Content-Length: 15\r\n"))
    trickle(client, b"a" * 15, threading.Event())
    assert client.response().status == 200


@wait
def a_silent_endpoint(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(once(b""))
    response = on.dial().ask(lane.get())
    assert (response.status, response.body) == (504, b"Gateway Timeout")
    assert len(lane.backend.connections) == 1
    lane.backend.connection().wait_ended()


@wait
def a_silent_endpoint_and_a_post(on: Ground) -> None:
    lane = on.world.double()
    for backend in lane.backends:
        backend.serve(once(b""))
    assert on.dial().ask(lane.post(b"x")).status == 504
    assert sum(len(backend.requests) for backend in lane.backends) == 1


@wait
def an_answer_that_stops(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
    client = on.dial()
    client.send(lane.get())
    with pytest.raises(Ended):
        client.response()


@wait
def a_slow_answer_that_moves(on: Ground) -> None:
    lane = on.world.single()

    def run(served: Served) -> None:
        served.request()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")
        for _ in range(15):
            on.stop.wait(0.1)
            served.send(b"a")
        served.linger()

    lane.backend.serve(run)
    assert on.dial().ask(lane.get()).body == b"a" * 15


@wait
def a_silent_tls_client(on: Ground) -> None:
    client = connect(on.program.https)
    data, _ = client.rest()
    assert b"HTTP" not in data
    client.close()


@wait
def half_a_client_hello(on: Ground) -> None:
    client = connect(on.program.https)
    client.send(b"\x16\x03\x01\x02\x00\x01\x00")
    assert b"HTTP" not in client.rest()[0]
    client.close()


@wait
def a_silent_client_behind_a_handshake(on: Ground) -> None:
    client = connect_tls(on.program.https, "secure.test")
    assert client.rest()[0] == b""
    client.close()


@wait
def a_silent_tunnel(on: Ground) -> None:
    lane = on.world.single()

    def run(served: Served) -> None:
        served.request()
        served.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
        )
        served.linger()

    lane.backend.serve(run)
    client = on.dial()
    extra = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    assert client.ask(lane.get(extra=extra)).status == 101
    client.ending()
    lane.backend.connection().wait_ended()


@wait
def an_answer_nobody_reads(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(
        once(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n" + bytes(30000000))
    )
    client = connect(on.program.http, receive_buffer=4096)
    client.send(lane.get())
    lane.backend.connection().wait_ended()
    client.close()


def in_pieces(pieces: list[bytes]) -> Callable[[Served], None]:
    """Answer within three seconds, and never be silent for as long as one."""

    def run(served: Served) -> None:
        served.request()
        for piece in pieces:
            served.send(piece)
            time.sleep(0.6)  # what is tested is how time passes
        served.linger()

    return run


@wait
def a_head_of_an_answer_in_pieces_is_no_silence(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(in_pieces([OK[:3], OK[3:5], OK[5:9], OK[9:12], OK[12:15], OK[15:]]))
    assert on.dial().ask(lane.get()).status == 200


@wait
def interim_answers_are_no_silence(on: Ground) -> None:
    lane = on.world.single()
    lane.backend.serve(in_pieces([b"HTTP/1.1 102 Processing\r\n\r\n"] * 5 + [OK]))
    assert on.dial().ask(lane.get()).status == 200


def test_each_wait_ends(hasty: Program, dial_hasty: Callable[[], Client], world: World) -> None:
    ground = Ground(hasty, world, dial_hasty, threading.Event())
    problems = []
    with ThreadPoolExecutor(len(WAITS)) as pool:
        for each, future in [(each, pool.submit(each, ground)) for each in WAITS]:
            error = future.exception()
            if error is not None:
                problems.append(f"{each.__name__}: {error!r}")
    ground.stop.set()
    assert not problems, "\n".join(problems)


def test_an_endpoint_that_does_not_accept_is_504_or_passed_by(
    dial_hasty: Callable[[], Client], world: World
) -> None:
    """A listen queue that is full swallows SYNs."""
    lane, double = world.single(), world.double()
    fillers = []
    for backend in (lane.backend, double.backends[0]):
        backend.listener.listen(0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", backend.port))
            fillers.append(filler)
    double.backends[1].answer(OK)
    clients = [dial_hasty() for _ in range(3)]
    clients[0].send(lane.get())
    for client in clients[1:]:
        client.send(double.post(b"x"))
    assert clients[0].response().status == 504
    assert [client.response().status for client in clients[1:]] == [200, 200]
    for filler in fillers:
        filler.close()


def test_the_annotation_shortens_the_wait(client: Client, world: World) -> None:
    lane = world.by_name("quick.test")
    lane.backend.serve(once(b""))
    # The client waits for PATIENCE at most, the program by default for a minute.
    assert client.ask(lane.get()).status == 504


def test_a_retried_request_after_a_silent_endpoint_is_no_flood(
    dial_hasty: Callable[[], Client], world: World
) -> None:
    """A hung endpoint is not asked again by the same request."""
    lane = world.double()
    lane.backends[0].serve(once(b""))
    lane.backends[1].serve(answering(OK))
    clients = [dial_hasty() for _ in range(4)]
    for client in clients:
        client.send(lane.get())
    statuses = sorted(client.response().status for client in clients)
    assert set(statuses) <= {200, 504}
    assert all(len(each.requests) == 1 for each in lane.backends[0].connections)
