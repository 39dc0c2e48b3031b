"""HTTP/2 clients: windows, slow readers, time, drain and tunnels."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.client import connect, connect_tls
from tests.wire.harness.http2 import (
    CONTINUATION,
    DATA,
    GOAWAY,
    PING,
    PREFACE,
    SETTINGS,
    Http2Client,
    connect_h2,
    connect_h2c,
    frame,
    h2_context,
    head_of,
    raw_h2,
)
from tests.wire.harness.kernel import CONNECTION_BYTES, bytes_from
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program, running, start, whole_lines
from tests.wire.test_life import WORKERS, Download, wait_refused
from tests.workers.processes import until

MIB = 1024 * 1024
END_STREAM = 1
INTERNAL_ERROR = 2
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def client(steady: Program) -> Iterator[Http2Client]:
    made = connect_h2(steady.https)
    yield made
    made.close()


@pytest.fixture(scope="module")
def clear(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program with HTTP/2 in plain, without it on TLS, and an access log."""
    options = ("--h2c", "on", "--http2", "off", "--access-log", str(logs / "clear-access"))
    with running(whole_world.folder, logs / "clear", *options) as program:
        yield program


@pytest.fixture(scope="module")
def hasty_heads(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program where heads alone have a second."""
    with running(whole_world.folder, logs / "heads", "--header-timeout", "1") as program:
        yield program


class Flood:
    """A backend that sends a large body, and tells how much of it has been taken."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def __call__(self, served: Served) -> None:
        served.request()
        served.send(SIZED % self.size)
        piece = b"x" * 65536
        while self.taken < self.size:
            served.send(piece)
            self.taken += len(piece)
        served.linger()

    def settled(self) -> int:
        """Wait until nothing more is taken; return how much has been."""
        before = -1
        while before != self.taken:
            before = self.taken
            time.sleep(0.3)
        return before


def unread(served: Served) -> None:
    """Read a head, and nothing of its body."""
    served.request_head()
    served.linger()


# Windows


def test_a_stream_that_is_not_read_stops_its_endpoint_and_nobody_else(
    client: Http2Client, lane: Lane, world: World
) -> None:
    client.reads = False
    flood = Flood(CONNECTION_BYTES + 16 * MIB)
    lane.backend.serve(flood)
    stuck = client.begin(lane)
    client.until(lambda: len(client.answers[stuck].body) >= 65535)
    assert flood.settled() - bytes_from(lane.backend.port) < MIB
    client.h2.increment_flow_control_window(MIB)
    client.flush()
    other = world.single()
    other.backend.answer(OK)
    assert client.ask(other).status == 200
    assert len(client.answers[stuck].body) == 65535


def test_a_client_that_reads_nothing_at_all_stops_its_endpoints(
    clear: Program, world: World
) -> None:
    """Its windows are open, its socket is full."""
    lanes = [world.single() for _ in range(4)]
    client = connect_h2c(clear.http, receive_buffer=4096)
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
    client.h2.increment_flow_control_window(2**31 - 1 - 65535)
    client.flush()
    before = clear.resident_kib()
    floods = [Flood(2 * CONNECTION_BYTES + 16 * MIB) for _ in lanes]
    for lane, flood in zip(lanes, floods, strict=True):
        lane.backend.serve(flood)
        client.begin(lane)
    taken = sum(flood.settled() for flood in floods)
    held = taken - bytes_from(clear.http, *(lane.backend.port for lane in lanes))
    assert held < len(lanes) * MIB
    assert clear.resident_kib() - before < 24 * 1024
    client.client.reset()


def test_a_large_answer_comes_whole_through_small_windows(client: Http2Client, lane: Lane) -> None:
    body = bytes(range(256)) * 8192
    lane.backend.answer(SIZED % len(body) + body)
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.flush()
    answer = client.ask(lane)
    assert bytes(answer.body) == body


def test_many_large_answers_come_whole_side_by_side(client: Http2Client, world: World) -> None:
    body = bytes(range(256)) * 1024
    lanes = [world.single() for _ in range(8)]
    for lane in lanes:
        lane.backend.answer(SIZED % len(body) + body)
    numbers = [client.begin(lane) for lane in lanes]
    assert all(bytes(client.answer(number).body) == body for number in numbers)


def test_an_endpoint_that_does_not_read_holds_back_its_client_alone(
    client: Http2Client, lane: Lane, world: World
) -> None:
    size = CONNECTION_BYTES + 16 * MIB
    go_on = threading.Event()

    def run(served: Served) -> None:
        served.request_head()
        go_on.wait(PATIENCE)
        served.exactly(size)
        served.send(OK)
        served.linger()

    lane.backend.serve(run)
    fields = [(b"content-length", b"%d" % size)]
    number = client.begin(lane, method=b"POST", fields=fields, end=False)
    sent = 0
    while (room := client.h2.local_flow_control_window(number)) > 0 or sent < MIB:
        if room <= 0:
            client.pump()
            continue
        count = min(room, 16384)
        client.send(number, b"x" * count)
        sent += count
        if sent >= size:
            break
    other = world.single()
    other.backend.answer(OK)
    assert client.ask(other).status == 200
    assert sent < size
    go_on.set()
    client.upload(number, b"x" * (size - sent))
    assert client.answer(number).status == 200


# Time


def test_a_silent_client_is_let_go(hasty: Program) -> None:
    client = connect_tls(hasty.https, "any.test", h2_context())
    data, how = client.rest()
    assert how == "fin"
    assert data.endswith(frame(7, 0, 0, bytes(8)))
    client.close()


def test_an_idle_connection_ends_with_goodbye(hasty: Program, world: World) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    client = connect_h2(hasty.https)
    assert client.ask(lane).status == 200
    assert client.pump_until_end() == "fin"
    assert [each.error_code for each in client.farewells] == [0]
    client.close()


def test_silent_endpoints_and_clients_are_answered(hasty: Program, world: World) -> None:
    lane = world.single()
    lane.backend.serve(once(b""))
    client = connect_h2(hasty.https)
    silent = client.begin(lane)
    other = world.single()
    other.backend.serve(unread)
    slow = client.begin(other, method=b"POST", end=False)
    client.send(slow, b"x")
    assert client.answer(silent).status == 504
    assert client.answer(slow).status == 408
    client.close()


def test_a_stream_that_nobody_reads_is_reset_in_time(hasty: Program, world: World) -> None:
    lane = world.single()
    lane.backend.serve(Flood(8 * MIB))
    client = connect_h2(hasty.https)
    client.reads = False
    answer = client.answer(client.begin(lane))
    assert (answer.reset, answer.ended) == (INTERNAL_ERROR, False)
    lane.backend.connection(0).wait_ended()
    client.close()


@pytest.mark.parametrize("waits", ["for nothing", "for an answer"])
def test_a_head_in_pieces_has_its_time_whatever_else_goes_on(
    hasty_heads: Program, world: World, waits: str
) -> None:
    lane = world.single()
    lane.backend.serve(answering(OK) if waits == "for nothing" else once(b""))
    client = raw_h2(hasty_heads.https)
    client.send(client.headers(1, head_of(lane.host)))
    if waits == "for nothing":
        client.until(DATA, 1)
    begun = time.monotonic()
    head = client.headers(3, head_of(lane.host, (b"x-long", b"x" * 50)))
    for piece in (head[:4], head[4:10], head[10:20]):
        client.send(piece)
        time.sleep(0.2)
    assert client.farewell() == 0
    assert time.monotonic() - begun > 0.9
    client.close()


def test_a_head_without_its_continuation_has_its_time(hasty_heads: Program, world: World) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    client = raw_h2(hasty_heads.https)
    client.send(client.headers(1, head_of(lane.host)))
    client.until(DATA, 1)
    client.send(client.headers(3, head_of(lane.host), flags=END_STREAM))
    client.send(frame(CONTINUATION, 0, 3))
    assert client.farewell() == 0
    client.close()


def test_a_body_in_pieces_is_no_head_in_pieces(hasty_heads: Program, world: World) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    client = raw_h2(hasty_heads.https)
    client.send(client.headers(1, head_of(lane.host, method=b"POST"), flags=4))
    body = frame(DATA, END_STREAM, 1, b"x" * 10)
    for piece in (body[:5], body[5:12], body[12:]):
        client.send(piece)
        time.sleep(0.8)
    client.until(DATA, 1)
    client.close()


# Drain


@WORKERS
def test_a_drain_finishes_the_streams_that_run(world: World, tmp_path: Path, workers: str) -> None:
    download = Download()
    slow, late = world.single(), world.single()
    slow.backend.serve(download)
    late.backend.answer(OK)
    program = start(world.folder, tmp_path / "log", "--workers", workers)
    client, idle = raw_h2(program.https), raw_h2(program.https)
    idle.until(SETTINGS)
    client.send(client.headers(1, head_of(slow.host)))
    client.until(DATA, 1)
    program.terminate()
    wait_refused(program.https)
    _, first = client.until(GOAWAY)
    # What was on its way when the first one was sent is served.
    client.send(client.headers(3, head_of(late.host)))
    _, last = client.until(GOAWAY)
    assert (first, last) == (b"\x7f\xff\xff\xff" + bytes(4), b"\0\0\0\3" + bytes(4))
    assert idle.farewell() == 0
    idle.close()
    download.go_on.set()
    assert client.farewell() == 0
    bodies = [(stream, data) for kind, _, stream, data in client.frames if kind == DATA]
    assert sorted(bodies) == [(1, b"hello"), (1, b"world"), (3, b"ok")]
    assert PING not in {kind for kind, *_ in client.frames}
    client.close()
    assert program.wait() == 0
    program.check_log()


# Tunnels


def agree(served: Served, key: bytes | None = None) -> None:
    request = served.request()
    assert request.get(b"upgrade") == b"websocket"
    key = key or request.get(b"sec-websocket-key")
    assert key is not None
    digest = hashlib.sha1(
        key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False
    ).digest()
    served.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Accept: %s\r\n\r\nfirst" % base64.b64encode(digest)
    )


def agree_and_wait(served: Served) -> None:
    agree(served)
    served.linger()


def web_socket(client: Http2Client, lane: Lane) -> int:
    client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
    return client.send_head(
        [
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"https"),
            (b":path", b"/chat"),
            (b":authority", lane.host),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-protocol", b"chat"),
        ],
        end=False,
    )


def test_a_web_socket_goes_both_ways_until_both_have_ended(
    client: Http2Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        agree(served)
        served.send(b"<" + served.exactly(5) + b">")
        served.send(served.linger())

    lane.backend.serve(run)
    number = web_socket(client, lane)
    answer = client.answers[number]
    client.until(lambda: bytes(answer.body) == b"first")
    assert answer.status == 200
    assert answer.get(b"sec-websocket-protocol") == b"chat"
    assert {name for name, _ in answer.fields}.isdisjoint({b"upgrade", b"sec-websocket-accept"})
    client.send(number, b"hello")
    client.until(lambda: bytes(answer.body) == b"first<hello>")
    client.send(number, b"bye", end=True)
    assert bytes(client.answer(number).body) == b"first<hello>bye"
    assert client.ask(b"nobody.test").status == 404


def test_what_comes_before_the_tunnel_stands_goes_through_it(
    client: Http2Client, lane: Lane
) -> None:
    def run(served: Served) -> None:
        agree(served)
        served.send(served.linger())

    lane.backend.serve(run)
    number = web_socket(client, lane)
    client.send(number, b"early, ")
    client.send(number, b"and over", end=True)
    assert bytes(client.answer(number).body) == b"firstearly, and over"


def test_a_web_socket_that_is_refused_is_an_answer(client: Http2Client, lane: Lane) -> None:
    lane.backend.answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    number = web_socket(client, lane)
    client.until(lambda: client.answers[number].is_over)
    assert (client.answers[number].status, bytes(client.answers[number].body)) == (403, b"no")


@pytest.mark.parametrize("script", [once(OK), lambda served: agree(served, b"of another")])
def test_a_web_socket_that_was_not_understood_is_none(
    client: Http2Client, lane: Lane, script: object
) -> None:
    lane.backend.serve(script)  # type: ignore[arg-type]
    number = web_socket(client, lane)
    assert client.answer(number).reset == INTERNAL_ERROR
    assert client.answers[number].status == 0
    lane.backend.connection(0).wait_ended()


def test_a_web_socket_ends_with_either_side(client: Http2Client, lane: Lane) -> None:
    lane.backend.serve(agree, agree_and_wait)
    first = web_socket(client, lane)
    assert client.answer(first).ended
    second = web_socket(client, lane)
    client.until(lambda: bytes(client.answers[second].body) == b"first")
    client.h2.reset_stream(second, 8)
    client.flush()
    lane.backend.connection(1).wait_ended()


# In plain, switched off, and written down


def test_plain_connections_may_begin_with_http2_or_http1(clear: Program, world: World) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    new = connect_h2c(clear.http)
    assert new.ask(lane).status == 200
    assert lane.backend.wait_request().get(b"x-forwarded-proto") == b"http"
    assert new.ask(b"secure.test", path=b"/a?b").get(b"location") == b"https://secure.test/a?b"
    old = connect(clear.http)
    old.send_chopped([b"P", b"OST / HTTP/1.1\r\nHost: ", lane.host, b"\r\n\r\n"])
    assert old.response().status == 200
    chopped = connect(clear.http)
    settings = frame(4, 0, 0)
    chopped.send_chopped([PREFACE[:7], PREFACE[7:20], PREFACE[20:] + settings])
    assert chopped.exactly(9)[3] == 4
    for each in (new, old, chopped):
        each.close()


def test_without_the_option_plain_connections_know_no_http2(steady: Program) -> None:
    client = connect(steady.http)
    client.send(PREFACE)
    assert client.rest()[0].startswith(b"HTTP/1.1 ")
    client.close()


def test_switched_off_it_is_not_offered(clear: Program, world: World) -> None:
    client = connect_tls(clear.https, "any.test", h2_context())
    assert isinstance(client.sock, ssl.SSLSocket)
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    lane = world.single()
    lane.backend.answer(OK)
    assert client.ask(lane.get()).status == 200
    client.close()


def test_the_access_log_names_the_version(clear: Program, world: World, logs: Path) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    client = connect_h2c(clear.http)
    client.ask(lane, path=b"/marked")
    client.ask(b"nobody.test", path=b"/marked")
    client.close()

    def lines() -> list[str]:
        return [line for line in whole_lines(logs / "clear-access") if "/marked" in line]

    until(lambda: len(lines()) == 2)
    assert {(each["protocol"], each["status"]) for each in map(json.loads, lines())} == {
        ("HTTP/2.0", 200),
        ("HTTP/2.0", 404),
    }


def test_a_connection_that_breaks_is_no_fault_of_ours(client: Http2Client, lane: Lane) -> None:
    lane.backend.serve(Flood(8 * MIB))
    number = client.begin(lane)
    client.until(lambda: len(client.answers[number].body) > 100)
    client.client.reset()
    lane.backend.connection(0).wait_ended()
    with pytest.raises((Ended, OSError)):
        client.pump()
