"""Two connections of ours, and ours against the package ``h2``, from both sides."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http2 import codes
from fsm_twisted.http2.codes import ErrorCode
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.http2.events import (
    ConnectionEnded,
    DataReceived,
    Event,
    GoAwayReceived,
    PeerSettings,
    PingAnswered,
    RequestReceived,
    ResponseReceived,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from fsm_twisted.http2.limits import Limits
from fsm_twisted.message.authority import parse_authority
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Sized
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.message.target import Target
from tests.http2.wire import (
    END,
    GET,
    GREETING,
    POST,
    WHOLE,
    Server,
    answer,
    block,
    continuation,
    data,
    frames_of,
    go_away,
    headers,
    reset,
    settings,
    window_update,
)

SMALL = Limits(stream_window=100, connection_window=65535)
EVENTS = (RequestReceived, ResponseReceived, DataReceived, TrailersReceived)


def request(
    method: bytes = b"POST", fields: Fields = (), upgrade: bytes | None = None
) -> RequestHead:
    authority = parse_authority(b"a.example")
    return RequestHead(
        method, Target(b"/", None), authority, 1, fields, (), NO_BODY, True, False, upgrade
    )


class Pair:
    """A client and a server of ours, and all that they report."""

    def __init__(self, cuts: int = 10**6, limits: Limits | None = None) -> None:
        self.client = Connection(Role.CLIENT, limits or Limits())
        self.server = Connection(Role.SERVER, limits or Limits())
        self.cuts = cuts
        self.seen: dict[Connection, list[Event]] = {self.client: [], self.server: []}
        self.settle()

    def settle(self) -> None:
        """Carry bytes until nobody has anything to say."""
        while self.client.has_output or self.server.has_output:
            for one, other in ((self.client, self.server), (self.server, self.client)):
                output = one.take_output()
                for at in range(0, len(output), self.cuts):
                    self.seen[other] += other.receive(output[at : at + self.cuts], 0.0)

    def ask(self, head: RequestHead | None = None, *, end: bool = True) -> int:
        number = self.client.send_request(
            head or request(), target=b"/x?y", authority=b"a.example", scheme=b"https", end=end
        )
        self.settle()
        return number

    def of(self, side: Connection, kind: type) -> list[Event]:
        return [event for event in self.seen[side] if isinstance(event, kind)]


def carry(pair: Pair, sender: Connection, number: int, body: bytes, *, end: bool) -> bytes:
    """Send a body with back-pressure, consuming what arrives; return what arrived."""
    receiver = pair.server if sender is pair.client else pair.client
    arrived = b""
    pair.seen[receiver].clear()
    for _ in range(10000):
        taken = sender.send_data(number, body, end=end)
        is_done = taken == len(body)
        body = body[taken:]
        pair.settle()
        for event in pair.of(receiver, DataReceived):
            assert isinstance(event, DataReceived)
            arrived += event.data
            receiver.consumed(number, len(event.data))
        pair.seen[receiver].clear()
        pair.settle()
        if is_done:
            return arrived
    raise AssertionError("the windows never opened")


@given(
    st.integers(1, 40),
    st.binary(max_size=3000),
    st.binary(max_size=3000),
    st.sampled_from([Limits(), SMALL, Limits(stream_window=1), Limits(table_bytes=0)]),
    st.sampled_from([(), ((b"grpc-status", b"0"),)]),
)
def test_an_exchange_arrives_whole_however_it_is_cut(
    cuts: int, asked: bytes, answered: bytes, limits: Limits, trailers: Fields
) -> None:
    pair = Pair(cuts, limits)
    if limits.stream_window == 1:
        asked, answered = asked[:20], answered[:20]
    number = pair.ask(request(fields=((b"accept", b"*/*"),)), end=False)
    (received,) = pair.of(pair.server, RequestReceived)
    assert isinstance(received, RequestReceived)
    assert received.head.target.wire == b"/x?y"
    assert received.head.fields == ((b"accept", b"*/*"),)
    assert carry(pair, pair.client, number, asked, end=True) == asked

    pair.server.send_response(number, answer(103), end=False)
    pair.server.send_response(number, answer(200, Sized(len(answered))), end=False)
    pair.settle()
    heads = [e.head.status for e in pair.seen[pair.client] if isinstance(e, ResponseReceived)]
    assert heads == [103, 200]
    assert carry(pair, pair.server, number, answered, end=not trailers) == answered
    if trailers:
        pair.server.send_trailers(number, trailers)
        pair.settle()
        assert pair.seen[pair.client][-1:] == [TrailersReceived(number, trailers)]
    assert (pair.client.open_streams, pair.server.open_streams) == (0, 0)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(list(Role)))
def test_arbitrary_bytes_never_raise(reads: list[bytes], role: Role) -> None:
    connection = Connection(role)
    connection.receive(GREETING if role is Role.SERVER else settings(), 0.0)
    for read in reads:
        connection.receive(read, 0.0)
    connection.take_output()


frame_bytes = st.builds(
    lambda kind, flags, stream, payload: (
        len(payload).to_bytes(3, "big")
        + bytes((kind, flags))
        + stream.to_bytes(4, "big")
        + payload
    ),
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 9, 12, 13, 0x20, 0x24, 0x25, 0x2D]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 5]),
    st.sampled_from(
        [b"", b"\0\0\0\1", bytes(8), block(GET), block(POST), b"\x82\x86\x84\x41\x01a"]
    )
    | st.binary(max_size=20),
)


@given(st.lists(frame_bytes, max_size=12), st.sampled_from(list(Role)), st.integers(1, 30))
def test_arbitrary_frames_never_raise_and_cuts_change_nothing(
    frames: list[bytes], role: Role, cuts: int
) -> None:
    stream = b"".join(frames)
    outcomes = []
    for size in (len(stream) + 1, cuts):
        connection = Connection(role)
        if role is Role.CLIENT:
            connection.receive(settings((8, 1)), 0.0)
            connection.send_request(
                request(), target=b"/", authority=b"a", scheme=b"http", end=False
            )
        else:
            connection.receive(GREETING, 0.0)
        events: list[Event] = []
        for at in range(0, len(stream), size):
            events += connection.receive(stream[at : at + size], 0.0)
        outcomes.append(
            (events, frames_of(connection.take_output()[24 * (role is Role.CLIENT) :]))
        )
        for event in events:
            if isinstance(event, RequestReceived):
                connection.send_response(event.stream, answer(), end=True)
    assert outcomes[0] == outcomes[1]


# Against h2


bodies = st.lists(st.binary(min_size=1, max_size=20000), max_size=4)


class WithH2:
    """One of our connections and one of h2, and what each has got of bodies."""

    def __init__(self, role: Role) -> None:
        self.ours = Connection(role)
        self.other = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=role is Role.SERVER)
        )
        self.other.initiate_connection()
        self.here: dict[int, bytes] = {}
        self.there: dict[int, bytes] = {}
        self.turn()
        self.turn()

    def turn(self) -> None:
        """Carry what both have to say, and consume what arrived."""
        for seen in self.other.receive_data(self.ours.take_output()):
            if isinstance(seen, h2.events.DataReceived) and seen.stream_id and seen.data:
                self.there[seen.stream_id] = self.there.get(seen.stream_id, b"") + seen.data
                self.other.acknowledge_received_data(len(seen.data), seen.stream_id)
        for event in self.ours.receive(self.other.data_to_send(), 0.0):
            assert not isinstance(event, StreamReset | ConnectionEnded)
            if isinstance(event, DataReceived):
                self.here[event.stream] = self.here.get(event.stream, b"") + event.data
                self.ours.consumed(event.stream, len(event.data))

    def send_there(self, stream: int, rest: bytes) -> None:
        while rest:
            rest = rest[self.ours.send_data(stream, rest, end=False) :]
            self.turn()
            self.turn()

    def send_here(self, stream: int, pieces: list[bytes]) -> None:
        for piece in pieces:
            for at in range(0, len(piece), 16384):
                self.other.send_data(stream, piece[at : at + 16384])
                self.turn()
                self.turn()
        self.other.end_stream(stream)
        self.turn()
        self.turn()


@given(st.lists(bodies, min_size=1, max_size=4), bodies)
def test_our_server_answers_the_client_of_h2(
    asked: list[list[bytes]], answered: list[bytes]
) -> None:
    both = WithH2(Role.SERVER)
    for stream, pieces in zip(range(1, 100, 2), asked, strict=False):
        both.other.send_headers(stream, [(n.decode(), v.decode()) for n, v in POST])
        both.send_here(stream, pieces)
        assert both.here.get(stream, b"") == b"".join(pieces)
        both.ours.send_response(stream, answer(fields=((b"Server", b"x"),)), end=False)
        both.send_there(stream, b"".join(answered))
        both.ours.send_trailers(stream, ())
        both.turn()
        assert both.there.get(stream, b"") == b"".join(answered)
    assert both.ours.open_streams == both.other.open_inbound_streams == 0


@given(bodies, st.lists(bodies, min_size=1, max_size=3))
def test_our_client_asks_the_server_of_h2(asked: list[bytes], answered: list[list[bytes]]) -> None:
    both = WithH2(Role.CLIENT)
    for pieces in answered:
        stream = both.ours.send_request(
            request(), target=b"/", authority=b"a", scheme=b"http", end=False
        )
        both.send_there(stream, b"".join(asked))
        both.ours.send_trailers(stream, ((b"x-sum", b"1"),))
        both.turn()
        assert both.there.get(stream, b"") == b"".join(asked)
        both.other.send_headers(stream, [(":status", "200"), ("content-type", "text/plain")])
        both.send_here(stream, pieces)
        assert both.here.get(stream, b"") == b"".join(pieces)
    assert both.ours.open_streams == both.other.open_outbound_streams == 0


# Windows


def test_credit_comes_back_only_for_what_was_consumed() -> None:
    server = Server(Limits(stream_window=1000)).feed(
        headers(1, POST, WHOLE) + data(1, b"x" * 1000)
    )
    assert server.of_kind(codes.WINDOW_UPDATE) == []

    server.connection.consumed(1, 400)
    server.collect()
    assert server.of_kind(codes.WINDOW_UPDATE) == []
    server.connection.consumed(1, 400)
    server.collect()

    assert [f.payload for f in server.of_kind(codes.WINDOW_UPDATE)] == [b"\0\0\3\x20"]


def test_more_than_the_window_resets_the_stream() -> None:
    server = Server(Limits(stream_window=10)).feed(headers(1, POST, WHOLE) + data(1, b"x" * 11))

    assert server.verdict == ("stream", ErrorCode.FLOW_CONTROL_ERROR)


def test_more_than_the_window_of_the_connection_ends_it() -> None:
    server = Server(Limits(stream_window=10**6, connection_window=65535))
    server.feed(headers(1, POST, WHOLE) + data(1, b"x" * 16384) * 4)

    assert server.verdict == ("connection", ErrorCode.FLOW_CONTROL_ERROR)


def test_a_smaller_window_counts_once_it_is_acknowledged() -> None:
    greeting = codes.PREFACE + settings()
    server = Server(Limits(stream_window=10), greeting)
    server.feed(headers(1, POST, WHOLE) + data(1, b"x" * 1000))
    assert server.verdict == ("fine", 0)

    server.feed(settings(flags=codes.ACK) + data(1, b"x"))

    assert server.verdict == ("stream", ErrorCode.FLOW_CONTROL_ERROR)


def test_what_a_dead_stream_did_not_consume_is_the_connections_again() -> None:
    server = Server(Limits(connection_window=65535))
    for number in range(1, 41, 2):
        server.feed(headers(number, POST, WHOLE) + data(number, b"x" * 16384) + reset(number))

    assert server.verdict == ("fine", 0)
    assert {frame.stream for frame in server.of_kind(codes.WINDOW_UPDATE)} == {0}


def test_data_for_a_stream_that_we_reset_is_ignored_and_given_back() -> None:
    server = Server(Limits(connection_window=65535)).feed(headers(1, POST, WHOLE))
    server.connection.reset(1, ErrorCode.CANCEL)
    server.feed(data(1, b"x" * 16384) * 12 + headers(1, ((b"x-a", b"b"),)))

    assert server.verdict == ("stream", ErrorCode.CANCEL)
    assert len(server.of_kind(codes.WINDOW_UPDATE)) > 2


def test_the_window_of_the_connection_is_shared_in_turns() -> None:
    server = Server().feed(settings((4, 10**6)) + headers(1) + headers(3))
    for number in (1, 3):
        server.connection.send_response(number, answer(), end=False)
    assert server.connection.send_data(1, b"x" * 70000, end=True) == 65535
    assert server.connection.send_data(3, b"x", end=True) == 0
    assert server.connection.sendable(3) == 0

    server.events.clear()
    server.feed(window_update(0, 100))

    assert server.events == [WindowOpened(1), WindowOpened(3)]


# Ends


def test_a_reset_of_the_peer_is_reported_once() -> None:
    server = Server().feed(headers(1, POST, WHOLE) + reset(1, 0xBEEF))

    (event,) = server.events[1:]
    assert isinstance(event, StreamReset)
    assert (event.code, event.by_peer) == (0xBEEF, True)
    assert server.connection.send_data(1, b"abc", end=True) == 3
    assert not server.connection.has_output


def test_drain_is_two_steps_and_loses_nothing() -> None:
    server = Server().feed(headers(1))
    server.connection.drain()
    server.feed(headers(3))
    server.connection.drain()
    server.feed(headers(5))

    first, last, _ = server.frames
    assert first.payload == b"\x7f\xff\xff\xff\0\0\0\0"
    assert last.payload == b"\0\0\0\3\0\0\0\0"
    assert server.verdict == ("connection", 0)
    assert server.frames[-1].kind == codes.RST_STREAM
    assert not server.connection.is_drained
    server.respond(1)
    server.respond(3)
    assert server.connection.is_drained


def test_a_drain_has_no_third_step() -> None:
    server = Server()
    server.connection.drain()
    server.connection.drain()
    server.connection.drain()
    server.collect()

    assert len(server.of_kind(codes.GOAWAY)) == 2
    assert server.connection.is_drained


def test_abort_says_why_and_ends_everything() -> None:
    server = Server().feed(headers(1))
    server.connection.abort(ErrorCode.INTERNAL_ERROR)
    server.collect()

    assert server.verdict == ("connection", ErrorCode.INTERNAL_ERROR)
    assert server.connection.ended
    assert server.connection.receive(headers(3), 0.0) == []
    server.respond(1)
    assert len(server.frames) == 1


def test_a_goaway_gives_up_what_the_server_does_not_know() -> None:
    pair = Pair()
    first, second = pair.ask(), pair.ask()
    events = pair.client.receive(go_away(first), 0.0)

    assert events[0] == GoAwayReceived(first, 0)
    assert isinstance(events[1], StreamReset)
    assert (events[1].stream, events[1].unprocessed) == (second, True)
    assert not pair.client.can_open
    assert pair.client.open_streams == 1


def test_refused_streams_may_be_sent_again() -> None:
    pair = Pair(limits=Limits(streams=1))
    pair.ask()
    assert not pair.client.can_open

    with pytest.raises(ValueError, match="no stream"):
        pair.ask()
    (event,) = pair.client.receive(reset(1, ErrorCode.REFUSED_STREAM), 0.0)
    assert isinstance(event, StreamReset)
    assert event.unprocessed


def test_a_ping_comes_back() -> None:
    pair = Pair()
    pair.client.ping(b"abcdefgh")
    pair.settle()

    assert pair.of(pair.client, PingAnswered) == [PingAnswered(b"abcdefgh")]


# The client


def client_with_stream(method: bytes = b"GET") -> Connection:
    client = Connection(Role.CLIENT)
    client.receive(settings(), 0.0)
    client.send_request(request(method), target=b"/", authority=b"a", scheme=b"http", end=True)
    client.take_output()
    return client


STATUS: Fields = ((b":status", b"200"),)
BAD_RESPONSES = {
    "no status": headers(1, ((b"x-a", b"b"),)),
    "two status": headers(1, STATUS * 2),
    "request pseudo": headers(1, (*STATUS, (b":path", b"/"))),
    "status 101": headers(1, ((b":status", b"101"),), WHOLE),
    "status 099": headers(1, ((b":status", b"099"),)),
    "interim at the end": headers(1, ((b":status", b"103"),)),
    "connection": headers(1, (*STATUS, (b"connection", b"close"))),
    "line end": headers(1, (*STATUS, (b"x", b"a\r\nb"))),
    "data first": data(1, b"x"),
    "length and no body": headers(1, (*STATUS, (b"content-length", b"1"))),
    "too short": headers(1, (*STATUS, (b"content-length", b"2")), WHOLE) + data(1, b"x", END),
    "too long": headers(1, (*STATUS, (b"content-length", b"2")), WHOLE) + data(1, b"xxx"),
    "204 with body": headers(1, ((b":status", b"204"),), WHOLE) + data(1, b"x"),
    "too many interim": headers(1, ((b":status", b"103"),), WHOLE) * 17,
    "second head": headers(1, STATUS, WHOLE) * 2,
}


@pytest.mark.parametrize("case", BAD_RESPONSES)
def test_a_bad_response_resets_its_stream(case: str) -> None:
    client = client_with_stream()
    events = client.receive(BAD_RESPONSES[case], 0.0)

    assert isinstance(events[-1], StreamReset)
    assert not events[-1].by_peer
    assert not client.ended


@pytest.mark.parametrize(
    "frame", [headers(2, STATUS), headers(3, STATUS), data(2, b"x"), settings((2, 1))]
)
def test_what_no_server_may_send_ends_the_connection(frame: bytes) -> None:
    client = client_with_stream()

    assert isinstance(client.receive(frame, 0.0)[-1], ConnectionEnded)


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    client = client_with_stream(b"HEAD")
    (event,) = client.receive(headers(1, (*STATUS, (b"content-length", b"5"))), 0.0)

    assert isinstance(event, ResponseReceived)
    assert (event.head.framing, event.head.declared_length) == (NO_BODY, 5)


def test_trailers_without_what_is_not_for_trailers() -> None:
    client = client_with_stream()
    trailers = ((b"grpc-status", b"0"), (b"authorization", b"x"), (b"content-length", b"1"))
    events = client.receive(headers(1, STATUS, WHOLE) + headers(1, trailers), 0.0)

    assert events[1] == TrailersReceived(1, ((b"grpc-status", b"0"),))


def test_websocket_over_both_of_ours() -> None:
    pair = Pair()
    assert PeerSettings(128, extended_connect=True) in pair.seen[pair.client]
    number = pair.ask(request(b"GET", upgrade=b"websocket"), end=False)
    (event,) = pair.of(pair.server, RequestReceived)
    assert isinstance(event, RequestReceived)
    assert event.head.upgrade == b"websocket"

    pair.server.send_response(number, answer(200, CHUNKED), end=False)
    pair.settle()
    assert carry(pair, pair.server, number, b"frames", end=False) == b"frames"
    assert carry(pair, pair.client, number, b"more", end=True) == b"more"


def test_websocket_is_not_asked_of_a_server_that_does_not_offer_it() -> None:
    client = client_with_stream()
    with pytest.raises(ValueError, match="extended CONNECT"):
        client.send_request(
            request(b"GET", upgrade=b"websocket"),
            target=b"/",
            authority=b"a",
            scheme=b"http",
            end=False,
        )


@pytest.mark.parametrize(
    ("target", "authority", "scheme"),
    [
        (b"/ x", b"a", b"http"),
        (b"x", b"a", b"http"),
        (b"", b"a", b"http"),
        (b"/", b"a b", b"http"),
        (b"/", b"", b"http"),
        (b"/", b"a", b"ftp"),
    ],
)
def test_a_request_that_cannot_be_is_a_fault_of_ours(
    target: bytes, authority: bytes, scheme: bytes
) -> None:
    pair = Pair()
    with pytest.raises(ValueError, match=r"cannot be|neither"):
        pair.client.send_request(
            request(), target=target, authority=authority, scheme=scheme, end=True
        )
    assert pair.ask() == 1


def test_a_large_head_is_cut_into_continuations() -> None:
    pair = Pair()
    fields = tuple((b"x-%d" % n, b"v" * 900) for n in range(30))
    pair.ask(request(fields=fields))
    (event,) = pair.of(pair.server, RequestReceived)

    assert isinstance(event, RequestReceived)
    assert event.head.fields == fields


def test_it_is_known_since_when_a_head_is_in_pieces() -> None:
    server = Server()
    connection, head, forever = server.connection, headers(1), float("inf")
    assert connection.head_begun == forever

    server.feed(head[:5], 1.0).feed(head[5:12], 2.0)
    assert connection.head_begun == 1.0
    server.feed(head[12:] + headers(3)[:10], 3.0)
    assert connection.head_begun == 3.0
    server.feed(headers(3)[10:], 4.0)
    assert connection.head_begun == forever


def test_a_block_in_pieces_begins_with_its_first() -> None:
    server = Server().feed(headers(1, GET, END), 1.0)
    server.feed(continuation(1, b"", 0), 2.0)
    assert server.connection.head_begun == 1.0

    server.feed(continuation(1, b"") + data(1)[:5], 3.0)

    assert server.connection.head_begun == float("inf")
