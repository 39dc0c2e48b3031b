"""The codec as client of an endpoint that is not trusted: streams, budgets, windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http2 import codes
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.http2.events import (
    ConnectionEnded,
    DataReceived,
    PeerSettings,
    StreamReset,
    TrailersReceived,
)
from fsm_twisted.http2.limits import Limits, Patience
from tests.http2.streams import ASKED
from tests.http2.wire import END, WHOLE, data, go_away, headers, ping, reset, settings

OK = ((b":status", b"200"),)
TIGHT = Limits(
    streams=8, resets=Patience(5, 0), control=Patience(5, 0), connection_window=8 * 262144
)


def client(limits: Limits = TIGHT) -> Connection:
    made = Connection(Role.CLIENT, limits)
    made.receive(settings(), 0.0)
    made.take_output()
    return made


def ask(connection: Connection, *, end: bool = True) -> int:
    return connection.send_request(ASKED, target=b"/", authority=b"a", scheme=b"http", end=end)


@pytest.mark.parametrize(("offered", "expected"), [(0, 0), (3, 3), (8, 8), (2**32 - 1, 8)])
def test_no_more_streams_than_the_endpoint_allows_and_we_want(offered: int, expected: int) -> None:
    connection = Connection(Role.CLIENT, TIGHT)
    (said,) = connection.receive(settings((codes.MAX_CONCURRENT_STREAMS, offered)), 0.0)

    assert said == PeerSettings(expected, extended_connect=False)
    opened = 0
    while connection.can_open:
        ask(connection)
        opened += 1
    assert opened == expected


def test_streams_that_an_endpoint_resets_are_ours_and_cost_it_nothing() -> None:
    connection = client()
    for _ in range(100):
        number = ask(connection)
        (event,) = connection.receive(reset(number), 0.0)
        assert isinstance(event, StreamReset)
    assert not connection.ended


def test_pings_are_as_many_as_pieces_that_we_send() -> None:
    connection = client()
    number = ask(connection, end=False)
    for _ in range(100):
        connection.send_data(number, b"x", end=False)
        connection.receive(ping(), 0.0)
        connection.take_output()
    assert not connection.ended

    events = [event for _ in range(10) for event in connection.receive(ping(), 0.0)]
    assert isinstance(events[-1], ConnectionEnded)


def test_the_windows_of_all_streams_together_do_not_close_the_connection() -> None:
    """Nothing of what comes is consumed, on any stream: another one still gets all of its own."""
    connection = client()
    piece = bytes(16384)
    connection.receive(settings(flags=codes.ACK), 0.0)  # our windows hold
    numbers = [ask(connection) for _ in range(8)]
    for number in numbers:
        connection.receive(headers(number, OK, WHOLE), 0.0)
        for _ in range(262144 // len(piece)):
            (event,) = connection.receive(data(number, piece), 0.0)
            assert isinstance(event, DataReceived)
    assert not connection.ended


@given(st.permutations(range(6)), st.integers(-1, 12))
def test_goaway_ends_exactly_the_streams_above_its_last_one(order: list[int], last: int) -> None:
    connection = client()
    numbers = [ask(connection) for _ in range(6)]
    events = connection.receive(go_away(max(last, 0)), 0.0)[1:]

    lost = [event.stream for event in events if isinstance(event, StreamReset)]
    assert lost == [number for number in numbers if number > last]
    assert all(event.unprocessed for event in events if isinstance(event, StreamReset))
    assert not connection.can_open
    for index in order:
        number = numbers[index]
        if number not in lost:
            answer = headers(number, OK, WHOLE) + headers(number, ((b"a", b"b"),), END | WHOLE)
            _, ended = connection.receive(answer, 0.0)
            assert ended == TrailersReceived(number, ((b"a", b"b"),))
    assert connection.is_drained
