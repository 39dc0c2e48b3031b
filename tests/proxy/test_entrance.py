"""From accept to HTTP: places are counted exactly, limits hold, and only the trusted may tell."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from fsm_twisted.net.sweep import Sweep
from fsm_twisted.net.tls import Certificates
from fsm_twisted.proxy.client import Peer
from fsm_twisted.proxy.entrance import Entrance
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.places import LOG_SECONDS, Refusal
from fsm_twisted.proxy.plane import DataPlane
from tests.net.test_certificates import named
from tests.net.turning import logged, read_some, tcp_pair, turning

WORLD = turning()
CONTEXT: SSL.Context = Certificates(named("default.invalid")).front_context()
TRUSTED = (ip_network("10.0.0.0/8"),)
PROXY = "10.0.0.1"
STRANGER = "203.0.113.9"


@attrs.define
class Guest:
    """A client's end of a connection."""

    sock: socket.socket

    def send(self, data: bytes) -> None:
        self.sock.send(data)
        WORLD.settle()

    def leave(self) -> None:
        self.sock.close()
        WORLD.settle()

    @property
    def is_turned_away(self) -> bool:
        """Whether the connection has been closed, without a byte."""
        try:
            data = read_some(self.sock)
        except ConnectionError:
            return True
        assert not data
        return data == b""


class House:
    """A data plane with an entrance."""

    def __init__(self, context: SSL.Context | None = None, **options: Any) -> None:
        self.now = 1000.0
        self.plane = DataPlane(
            WORLD.reactor,
            Sweep(WORLD.reactor, lambda: self.now),
            ProxyOptions(trusted_proxies=TRUSTED, **options),
            draw=lambda _: 0,
            wall_seconds=lambda: 0.0,
            request_ids=lambda: b"id",
        )
        self.entrance = Entrance(self.plane, context)
        self.guests: list[Guest] = []

    def arrive(self, address: str, first: bytes = b"") -> Guest:
        ours, theirs = tcp_pair()
        self.guests.append(Guest(theirs))
        if first:
            theirs.send(first)
        self.entrance.accept(ours, (address, 4711))
        WORLD.settle()
        return self.guests[-1]

    @property
    def peers(self) -> list[Peer]:
        return [each.peer for each in self.plane.connections]

    @property
    def refused(self) -> Counter[Refusal]:
        return self.plane.places.refused


@contextlib.contextmanager
def house(context: SSL.Context | None = None, **options: Any) -> Iterator[House]:
    made = House(context, **options)
    yield made
    for guest in made.guests:
        guest.sock.close()
    WORLD.settle()
    assert made.plane.places.taken == 0
    assert made.plane.places.by_client == {}
    assert made.plane.connections == set()


def told(source: str, destination: str = "198.51.100.1") -> bytes:
    return f"PROXY TCP4 {source} {destination} 4711 443\r\n".encode()


FIRST = st.sampled_from(
    [b"", b"PROXY", told("1.1.1.1"), told("2.2.2.2"), told("2.2.2.2") + b"GET", b"nonsense\r\n"]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from([PROXY, STRANGER, "::1"]), FIRST),
        st.tuples(st.just("send"), st.integers(0, 20), FIRST),
        st.tuples(st.just("leave"), st.integers(0, 20), st.just(b"")),
    ),
    max_size=12,
)


@pytest.mark.parametrize("proxy_protocol", [False, True])
@pytest.mark.parametrize("context", [None, CONTEXT], ids=["plain", "tls"])
@settings(max_examples=20)
@given(steps=STEPS, most=st.integers(0, 4), each=st.integers(0, 2))
def test_every_place_that_is_taken_is_given_back_and_no_limit_is_passed(
    *,
    context: SSL.Context | None,
    proxy_protocol: bool,
    steps: list[tuple[str, Any, bytes]],
    most: int,
    each: int,
) -> None:
    with house(
        context,
        proxy_protocol=proxy_protocol,
        max_connections=most,
        max_connections_per_client=each,
    ) as one:
        places = one.plane.places
        for what, whom, data in steps:
            if what == "arrive":
                one.arrive(whom, data)
            elif whom < len(one.guests):
                with contextlib.suppress(OSError):
                    one.guests[whom].leave() if what == "leave" else one.guests[whom].send(data)

            assert not most or places.taken <= most
            assert sum(places.by_client.values()) <= places.taken
            for address, number in places.by_client.items():
                assert number > 0
                assert not each or number <= each or address == PROXY.encode()
            if context is None and not proxy_protocol:
                assert places.by_client == Counter(peer.address for peer in one.peers)


def test_over_the_limit_an_idle_connection_makes_room() -> None:
    with house(max_connections=2) as one:
        busy = one.arrive(STRANGER, b"GET / HT")
        idle = one.arrive(STRANGER)
        new = one.arrive(STRANGER)

        assert [busy.is_turned_away, idle.is_turned_away, new.is_turned_away] == [
            False,
            True,
            False,
        ]
        assert one.plane.places.taken == 2
        assert not one.refused


def test_over_the_limit_with_nobody_idle_the_new_connection_is_closed() -> None:
    with house(max_connections=2) as one:
        others = [one.arrive(STRANGER, b"GET / HT") for _ in range(2)]

        assert one.arrive(STRANGER).is_turned_away
        assert not any(other.is_turned_away for other in others)
        assert one.refused == {Refusal.MAX_CONNECTIONS: 1}
        others[0].leave()
        assert not one.arrive(STRANGER).is_turned_away


def test_nobody_has_to_make_room_for_one_that_is_turned_away() -> None:
    with house(max_connections=2, max_connections_per_client=1) as one:
        idle = [one.arrive(STRANGER), one.arrive("203.0.113.10")]

        assert one.arrive(STRANGER).is_turned_away
        assert not any(each.is_turned_away for each in idle)
    with house(max_connections=1, proxy_protocol=True) as one:
        told_one = one.arrive(PROXY, told("1.1.1.1"))

        assert one.arrive(STRANGER).is_turned_away
        assert not told_one.is_turned_away


def test_a_handshake_and_a_header_that_are_under_way_take_a_place() -> None:
    with house(CONTEXT, max_connections=1) as one:
        assert not one.arrive(STRANGER).is_turned_away
        assert one.arrive(STRANGER).is_turned_away
    with house(proxy_protocol=True, max_connections=1) as one:
        assert not one.arrive(PROXY).is_turned_away
        assert one.arrive(PROXY).is_turned_away


def test_a_client_with_too_many_harms_no_other() -> None:
    with house(max_connections_per_client=2) as one:
        first, second = one.arrive(STRANGER), one.arrive(STRANGER)

        assert one.arrive(STRANGER).is_turned_away
        assert one.arrive("::ffff:203.0.113.9").is_turned_away
        assert not one.arrive("203.0.113.10").is_turned_away
        assert not first.is_turned_away
        assert not second.is_turned_away
        assert one.refused == {Refusal.MAX_PER_CLIENT: 2}


def test_a_trusted_proxy_may_bring_many_clients() -> None:
    with house(max_connections_per_client=1) as one:
        assert not any(one.arrive(PROXY).is_turned_away for _ in range(4))


def test_a_told_client_with_too_many_is_turned_away() -> None:
    with house(proxy_protocol=True, max_connections_per_client=1) as one:
        assert not one.arrive(PROXY, told("1.1.1.1")).is_turned_away
        assert one.arrive(PROXY, told("1.1.1.1")).is_turned_away
        assert not one.arrive(PROXY, told("1.1.1.2")).is_turned_away


def test_a_strangers_header_is_not_even_read() -> None:
    with house(proxy_protocol=True) as one:
        assert one.arrive(STRANGER, told("1.1.1.1")).is_turned_away
        assert one.arrive(STRANGER).is_turned_away
        assert one.refused == {Refusal.PROXY_UNTRUSTED: 2}


def test_a_trusted_peer_without_a_header_is_turned_away() -> None:
    with house(proxy_protocol=True) as one:
        assert one.arrive(PROXY, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_turned_away
        assert one.refused == {Refusal.PROXY_HEADER_BAD: 1}


def test_the_told_client_is_the_peer_and_no_more_trusted_than_it_was() -> None:
    with house(proxy_protocol=True) as one:
        one.arrive(PROXY, told("203.0.113.9"))

        (peer,) = one.peers
        assert (peer.address, peer.port, peer.is_trusted) == (b"203.0.113.9", 443, False)
        assert b"X-Forwarded-For: 203.0.113.9\r\n" in peer.fields
        assert b"X-Forwarded-Port: 443\r\n" in peer.fields


def test_a_told_client_that_is_a_trusted_proxy_is_one() -> None:
    with house(proxy_protocol=True) as one:
        one.arrive(PROXY, told("10.9.9.9"))

        assert [(peer.address, peer.is_trusted) for peer in one.peers] == [(b"10.9.9.9", True)]


def test_a_client_that_the_proxy_does_not_know_has_its_address_and_no_credit() -> None:
    with house(proxy_protocol=True) as one:
        one.arrive(PROXY, b"PROXY UNKNOWN\r\n")

        assert [(peer.address, peer.is_trusted) for peer in one.peers] == [(b"10.0.0.1", False)]


def test_a_health_check_of_the_proxy_is_its_own_connection() -> None:
    with house(proxy_protocol=True) as one:
        one.arrive(PROXY, b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")

        assert [(peer.address, peer.is_trusted) for peer in one.peers] == [(b"10.0.0.1", True)]


def test_a_handshake_that_fails_gives_its_place_back() -> None:
    with house(CONTEXT, max_connections_per_client=1) as one:
        one.arrive(STRANGER, b"no ClientHello, that is for sure\r\n")

        assert one.plane.places.taken == 0
        assert not one.arrive(STRANGER).is_turned_away


def test_refusals_are_logged_at_once_and_then_once_a_minute_with_their_number() -> None:
    with house(max_connections_per_client=1) as one, logged() as log:
        one.arrive(STRANGER)
        for second in range(int(LOG_SECONDS) + 1):
            one.arrive(STRANGER)
            one.plane.places.report(one.now + second)
        numbers = [each["number"] for each in log.events if "refusal" in each]

        assert numbers == [1, int(LOG_SECONDS)]
        assert "--max-connections-per-client" in log.text
