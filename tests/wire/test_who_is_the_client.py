"""Issue 3, parts 4 and 6, on the wire: PROXY headers, Forwarded, and limits of connections."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.strategies.proxy_headers import INET, INET6, block, tlv, v1, v2
from tests.wire.harness.backend import OK
from tests.wire.harness.client import Client, connect, tls_context
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import Ended, Request
from tests.wire.harness.program import Program, running
from tests.workers.processes import until

# Which loopback address speaks decides what it is: one of 127.0.0.1 is the load balancer.
PROXIED = (
    *(
        "--proxy-protocol",
        "on",
        "--trusted-proxies",
        "127.0.0.1",
        "--trusted-proxies",
        "10.0.0.0/8",
    ),
    *("--max-connections-per-client", "3", "--header-timeout", "1"),
)
LIMITED = ("--max-connections", "3", "--max-connections-per-client", "2")
CLIENT, FRONT = ip_address("203.0.113.9"), ip_address("198.51.100.1")
HEADER = v1(CLIENT, FRONT, 4711, 443)


@pytest.fixture(scope="module")
def proxied(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program behind a load balancer that speaks the PROXY protocol."""
    with running(whole_world.folder, logs / "proxied", *PROXIED) as program:
        yield program


@pytest.fixture
def limited(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program with few places, all of them free."""
    with running(whole_world.folder, logs / "limited", *LIMITED) as program:
        yield program


@pytest.fixture
def balancer(proxied: Program) -> Iterator[Client]:
    client = connect(proxied.http)
    yield client
    client.close()


def told(client: Client, lane: Lane, header: bytes, extra: bytes = b"") -> Request:
    lane.backend.answer(OK)
    assert client.ask(header + lane.get(extra=extra)).status == 200
    return lane.backend.wait_request()


# The PROXY protocol


@pytest.mark.parametrize(
    "header",
    [HEADER, v2(INET, block(CLIENT, FRONT, 4711, 443), tlv(4, b"padding"))],
    ids=["v1", "v2"],
)
def test_the_backend_is_told_the_client_and_not_the_load_balancer(
    balancer: Client, lane: Lane, header: bytes
) -> None:
    request = told(balancer, lane, header)

    assert request.get(b"X-Forwarded-For") == b"203.0.113.9"
    assert request.get(b"X-Real-IP") == b"203.0.113.9"
    assert request.get(b"X-Forwarded-Port") == b"443"
    assert request.get(b"X-Forwarded-Proto") == b"http"


def test_an_ipv6_client_is_told(balancer: Client, lane: Lane) -> None:
    client, front = ip_address("2001:db8::9"), ip_address("2001:db8::1")
    request = told(balancer, lane, v2(INET6, block(client, front, 4711, 443)))

    assert request.get(b"X-Forwarded-For") == b"2001:db8::9"


def test_all_requests_of_a_connection_are_of_the_told_client(balancer: Client, lane: Lane) -> None:
    told(balancer, lane, HEADER)
    balancer.ask(lane.post(b"hello"))
    balancer.ask(lane.get())

    assert [each.get(b"X-Real-IP") for each in lane.backend.requests] == [b"203.0.113.9"] * 3


@pytest.mark.parametrize(
    "extra",
    [
        b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\n",
        b"Forwarded: for=6.6.6.6;proto=https\r\n",
    ],
)
def test_what_the_told_client_says_of_itself_is_not_believed(
    balancer: Client, lane: Lane, extra: bytes
) -> None:
    request = told(balancer, lane, HEADER, extra)

    assert b"6.6.6.6" not in request.head
    assert request.get(b"X-Forwarded-Proto") == b"http"


def test_a_told_client_that_is_a_trusted_proxy_is_believed(balancer: Client, lane: Lane) -> None:
    header = v1(ip_address("10.1.2.3"), FRONT, 4711, 443)
    request = told(balancer, lane, header, b"X-Forwarded-For: 203.0.113.77\r\n")

    assert request.get(b"X-Real-IP") == b"203.0.113.77"
    assert request.get(b"X-Forwarded-For") == b"203.0.113.77, 10.1.2.3"


def test_a_header_that_comes_byte_by_byte_is_read(balancer: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    data = HEADER + lane.get()
    balancer.send_chopped(data[at : at + 1] for at in range(len(data)))

    assert balancer.response().status == 200
    assert lane.backend.wait_request().get(b"X-Real-IP") == b"203.0.113.9"


def test_a_header_stands_before_the_tls_handshake(proxied: Program, world: World) -> None:
    lane = world.by_name("secure.test")
    sock = socket.create_connection(("127.0.0.1", proxied.https), 10)
    sock.sendall(HEADER)
    client = Client(tls_context().wrap_socket(sock, server_hostname="secure.test"))
    request = told(client, lane, b"")
    client.close()

    assert request.get(b"X-Forwarded-For") == b"203.0.113.9"
    assert request.get(b"X-Forwarded-Proto") == b"https"


def test_a_health_check_of_the_load_balancer_is_answered(balancer: Client, lane: Lane) -> None:
    request = told(balancer, lane, v2(0, b"", command=0x20))

    assert request.get(b"X-Forwarded-For") == b"127.0.0.1"


@pytest.mark.parametrize("data", [HEADER, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""])
def test_a_stranger_gets_not_a_byte(proxied: Program, data: bytes) -> None:
    client = connect(proxied.http, source="127.0.0.66")
    with contextlib.suppress(ConnectionError):
        client.send(data)

    assert client.ending() in {"fin", "reset"}
    client.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12),
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_what_is_no_header_is_not_answered(balancer: Client, data: bytes) -> None:
    balancer.send(data)

    assert balancer.ending() in {"fin", "reset"}


def test_a_header_that_does_not_come_is_not_awaited_for_ever(balancer: Client) -> None:
    balancer.send(HEADER[:9])
    began = time.monotonic()

    assert balancer.ending() in {"fin", "reset"}
    assert time.monotonic() - began > 0.5


def test_the_limit_of_a_client_is_that_of_the_told_one(proxied: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    header = v1(ip_address("203.0.113.50"), FRONT, 4711, 443)
    other = v1(ip_address("203.0.113.51"), FRONT, 4711, 443)
    with open_connections(proxied, 5) as clients:
        for client in clients[:3]:
            assert client.ask(header + lane.get()).status == 200
        clients[3].send(header + lane.get())
        assert clients[3].ending() in {"fin", "reset"}
        assert clients[4].ask(other + lane.get()).status == 200


# Forwarded


def test_forwarded_of_a_trusted_proxy_is_believed_and_passed_on(
    trusting: Program, lane: Lane
) -> None:
    client = connect(trusting.http)
    extra = b'Forwarded: for="[2001:db8::9]:4711";proto=https;host=shop.test\r\n'
    request = told(client, lane, b"", extra)
    client.close()

    assert request.get(b"X-Real-IP") == b"2001:db8::9"
    assert request.get(b"X-Forwarded-For") == b"2001:db8::9, 127.0.0.1"
    assert request.get(b"X-Forwarded-Proto") == b"https"
    assert request.get(b"X-Forwarded-Host") == b"shop.test"
    assert request.all(b"Forwarded") == [
        b'for="[2001:db8::9]:4711";proto=https;host=shop.test, '
        b'for=127.0.0.1;proto=http;host="%b"' % lane.host
    ]


def test_where_both_are_x_forwarded_for_wins(trusting: Program, lane: Lane) -> None:
    client = connect(trusting.http)
    extra = b"X-Forwarded-For: 203.0.113.9\r\nForwarded: for=6.6.6.6;proto=https\r\n"
    request = told(client, lane, b"", extra)
    client.close()

    assert request.get(b"X-Real-IP") == b"203.0.113.9"
    assert request.get(b"X-Forwarded-Proto") == b"http"


# Limits


@contextlib.contextmanager
def open_connections(
    program: Program, number: int, source: str = "127.0.0.1"
) -> Iterator[list[Client]]:
    clients = [connect(program.http, source=source) for _ in range(number)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def is_served(client: Client, lane: Lane) -> bool:
    try:
        return client.ask(lane.get()).status == 200
    except (Ended, ConnectionError):
        return False


def test_a_client_with_too_many_connections_is_turned_away_and_no_other(
    limited: Program, lane: Lane
) -> None:
    lane.backend.answer(OK)
    with (
        open_connections(limited, 2) as clients,
        open_connections(limited, 1, "127.0.0.2") as others,
    ):
        assert all(is_served(client, lane) for client in clients)
        with open_connections(limited, 1) as excess:
            assert not is_served(excess[0], lane)
        assert is_served(others[0], lane)
        assert all(is_served(client, lane) for client in clients)


def test_a_place_is_free_again_once_its_connection_is_gone(limited: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    for _ in range(10):
        with open_connections(limited, 2) as clients:
            assert all(is_served(client, lane) for client in clients)
            clients[0].reset()
            clients[1].half_close()
            assert clients[1].ending() == "fin"


def test_over_the_limit_an_idle_connection_makes_room(limited: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    with (
        open_connections(limited, 2) as clients,
        open_connections(limited, 2, "127.0.0.2") as others,
    ):
        served = [is_served(each, lane) for each in (*clients, *others)]
        assert served[-1]
        assert served.count(False) <= 1
        still = [is_served(each, lane) for each in (*clients, *others)]
        assert still.count(True) == 3


def test_over_the_limit_with_nobody_idle_the_new_connection_is_closed(
    limited: Program, lane: Lane
) -> None:
    lane.backend.answer(OK)
    with (
        open_connections(limited, 2) as clients,
        open_connections(limited, 1, "127.0.0.2") as others,
    ):
        for busy in (*clients, *others):
            assert is_served(busy, lane)
            busy.send(lane.get()[:-2])
        with open_connections(limited, 1, "127.0.0.3") as excess:
            assert not is_served(excess[0], lane)
        for busy in (*clients, *others):
            assert busy.ask(b"\r\n").status == 200
    until(lambda: "over --max-connections" in limited.log)
