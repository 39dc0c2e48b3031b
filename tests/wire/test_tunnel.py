"""WebSocket: one handshake, then bytes both ways until both sides have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.kernel import CONNECTION_BYTES
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE
from tests.wire.harness.program import Program

ASK = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n"
)
AGREE = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
MIB = 1024 * 1024
Open = Callable[[], tuple[Client, Lane]]


@pytest.fixture(params=["plain", "TLS"])
def open_road(request: pytest.FixtureRequest, steady: Program, world: World) -> Iterator[Open]:
    """Open a road to a backend, in plain or through TLS."""
    clients: list[Client] = []

    def run() -> tuple[Client, Lane]:
        if request.param == "TLS":
            lane = world.by_name("secure.test")
            clients.append(connect_tls(steady.https, "secure.test"))
        else:
            lane = world.single()
            clients.append(connect(steady.http))
        return clients[-1], lane

    yield run
    for client in clients:
        client.close()


def echo(served: Served) -> None:
    served.request()
    served.send(AGREE)
    while True:
        data = served.pending()
        if not data:
            served.fill()
            continue
        served.exactly(len(data))
        served.send(data)


def test_row_28_the_handshake_goes_through_and_bytes_both_ways(open_road: Open) -> None:
    client, lane = open_road()
    lane.backend.serve(echo)
    response = client.ask(lane.get(b"/chat", ASK))
    request = lane.backend.wait_request()
    assert response.status == 101
    assert (response.get(b"Upgrade") or b"").lower() == b"websocket"
    assert (response.get(b"Connection") or b"").lower() == b"upgrade"
    assert response.get(b"Sec-WebSocket-Accept") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert (request.get(b"Upgrade") or b"").lower() == b"websocket"
    assert (request.get(b"Connection") or b"").lower() == b"upgrade"
    assert request.get(b"Sec-WebSocket-Key") == b"dGhlIHNhbXBsZSBub25jZQ=="
    for size in (1, 125, 70000):
        block = bytes(range(256)) * (size // 256 + 1)
        client.send(block)
        assert client.exactly(len(block)) == block


def test_row_28_bytes_right_behind_the_handshake_are_not_lost(open_road: Open) -> None:
    client, lane = open_road()
    got = threading.Event()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE + b"early from the backend")
        assert served.exactly(21) == b"early from the client"
        got.set()
        served.linger()

    lane.backend.serve(run)
    client.send(lane.get(b"/", ASK) + b"early from the client")
    assert client.response().status == 101
    assert client.exactly(22) == b"early from the backend"
    assert got.wait(PATIENCE)


def test_bytes_behind_a_handshake_that_fails_are_the_next_request(
    client: Client, lane: Lane
) -> None:
    """Nothing tunnels before 101: a refused upgrade leaves an ordinary connection."""
    lane.backend.answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", OK)
    client.send(lane.get(b"/", ASK) + lane.get(b"/next"))
    assert client.response().status == 403
    assert client.response().status == 200
    assert [each.target for each in lane.backend.requests] == [b"/", b"/next"]


def test_a_half_close_of_the_client_leaves_the_other_way_open(open_road: Open) -> None:
    client, lane = open_road()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE)
        tail = served.linger()
        served.send(b"you said " + tail)

    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    client.send(b"bye")
    if hasattr(client.sock, "unwrap"):
        return  # Python's TLS socket cannot say close_notify and read on
    client.half_close()
    assert client.rest() == (b"you said bye", "fin")


def test_a_half_close_of_the_backend_leaves_the_other_way_open(open_road: Open) -> None:
    client, lane = open_road()
    got = threading.Event()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE + b"bye")
        served.half_close()
        assert served.exactly(5) == b"still"
        got.set()
        served.linger()

    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    assert client.exactly(3) == b"bye"
    if not hasattr(client.sock, "unwrap"):
        assert client.ending() == "fin"
    client.send(b"still")
    assert got.wait(PATIENCE)


@pytest.mark.parametrize("who", ["client", "backend"])
def test_a_reset_of_a_tunnel_ends_the_other_side(client: Client, lane: Lane, who: str) -> None:
    cut = threading.Event()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE)
        if who == "backend":
            cut.wait(PATIENCE)
            served.reset()
        served.linger()

    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    if who == "client":
        client.reset()
        lane.backend.connection().wait_ended()
    else:
        cut.set()
        client.ending()


def test_a_reset_behind_a_half_close_of_the_backend_ends_the_client(
    client: Client, lane: Lane
) -> None:
    """Nobody is left to read: the client may not go on sending to nobody."""
    cut = threading.Event()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE + b"bye")
        served.half_close()
        cut.wait(PATIENCE)
        served.reset()

    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    assert client.rest() == (b"bye", "fin")
    cut.set()
    lane.backend.connection().wait_ended()
    client.sock.settimeout(20)
    with pytest.raises(ConnectionError):
        client.send(bytes(1024 * MIB))


def test_a_reset_behind_a_half_close_of_the_client_ends_the_backend(
    client: Client, lane: Lane
) -> None:
    heard = threading.Event()
    gone = threading.Event()

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE)
        served.linger()
        heard.set()
        gone.wait(PATIENCE)
        served.send(bytes(64 * MIB))

    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    client.half_close()
    assert heard.wait(PATIENCE)
    client.reset()
    gone.set()
    assert lane.backend.connection().wait_ended() == "reset"


def test_a_backend_that_resets_while_the_client_is_held_back_ends_the_tunnel(
    client: Client, lane: Lane
) -> None:
    """The error may show when writing; then reading must find the end, and the client be told."""
    for _ in range(3):
        held = threading.Event()

        def run(served: Served, held: threading.Event = held) -> None:
            served.request()
            served.send(AGREE)
            held.wait(PATIENCE)
            served.reset()

        lane.backend.serve(run)
        road = connect(client.sock.getpeername()[1])
        assert road.ask(lane.get(b"/", ASK)).status == 101
        writing = road.send_aside(bytes(2 * CONNECTION_BYTES + 16 * MIB))
        road.sock.settimeout(20)
        writing.join(0.3)
        assert writing.is_alive(), "nobody reads and yet all of it has gone somewhere"
        held.set()
        road.rest()
        writing.join(PATIENCE)
        assert not writing.is_alive()
        road.close()


@pytest.mark.parametrize(
    "answer",
    [
        AGREE.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        AGREE.replace(b"Upgrade: websocket\r\n", b""),
        AGREE.replace(b"Connection: Upgrade\r\n", b""),
        AGREE.replace(b"Upgrade: websocket", b"Upgrade: websocket, x"),
        AGREE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
    ],
    ids=["another protocol", "no Upgrade", "no Connection", "two protocols", "a length"],
)
def test_row_28_a_101_that_does_not_match_is_refused_or_cleaned(
    client: Client, lane: Lane, answer: bytes
) -> None:
    lane.backend.serve(once(answer))
    client.send(lane.get(b"/", ASK))
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ") or (
        b"Content-Length: 5" in answer and b"ontent-" not in head
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.0\r\nHost: %s\r\n" + ASK + b"\r\n", "HTTP/1.0"),
        (
            b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            "h2c",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "not in Connection",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: upgrade\r\n"
            b"Upgrade: h2c, websocket\r\n\r\n",
            "a list",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("steady")
def test_row_28_other_upgrades_are_not_passed_on(
    client: Client, lane: Lane, data: bytes, why: str
) -> None:
    lane.backend.serve(answering(OK))
    response = client.ask(data % lane.host)
    assert response.status in {200, 400}, why
    for request in lane.backend.requests:
        assert b"h2c" not in request.head, why
        assert why == "a list" or request.get(b"Upgrade") is None


def test_row_28_an_upgrade_with_a_body_never_tunnels_the_body_as_frames(
    client: Client, lane: Lane
) -> None:
    """A gadget of request tunnelling: POST with Upgrade, and a backend that answers 200."""
    lane.backend.answer(OK)
    smuggled = lane.get(b"/smuggled")
    extra = ASK + b"Content-Length: %d\r\n" % len(smuggled)
    response = client.ask(lane.request(b"POST", b"/", extra, smuggled))
    assert response.status in {200, 400}
    assert all(each.target == b"/" for each in lane.backend.requests)


def test_row_28_a_tunnel_is_never_pooled(client: Client, lane: Lane, steady: Program) -> None:
    lane.backend.serve(echo, answering(OK))
    assert client.ask(lane.get(b"/", ASK)).status == 101
    client.close()
    lane.backend.connection().wait_ended()
    other = connect(steady.http)
    assert other.ask(lane.get()).body == b"ok"
    other.close()


def test_a_tunnel_carries_much_both_ways_at_once(open_road: Open) -> None:
    client, lane = open_road()
    size = 8 * 1024 * 1024
    block = bytes(range(256)) * (size // 256)
    got: list[bytes] = []

    def run(served: Served) -> None:
        served.request()
        served.send(AGREE)
        writing = served.send_aside(block)
        got.append(served.exactly(size))
        writing.join(PATIENCE)
        done.set()
        served.linger()

    done = threading.Event()
    lane.backend.serve(run)
    assert client.ask(lane.get(b"/", ASK)).status == 101
    if hasattr(client.sock, "unwrap"):
        # An SSL object may not be used by two threads at once.
        client.send(block)
        assert client.exactly(size) == block
    else:
        writing = client.send_aside(block)
        assert client.exactly(size) == block
        writing.join(PATIENCE)
    assert done.wait(PATIENCE)
    assert got == [block]
