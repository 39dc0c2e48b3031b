"""
Memory and descriptors: slow readers, floods, and a process at its limits.

How much sockets take is the kernel's affair, and depends on what else goes on; so it is counted
and taken off. The rest is what the program holds.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.harness.backend import OK, Served, answering, once
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.kernel import bytes_from, bytes_in_pipes, bytes_towards
from tests.wire.harness.lanes import World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program, start
from tests.wire.test_tunnel import AGREE, ASK

MIB = 1024 * 1024
# What may be held of one direction: output up to its mark (256 KiB), one read more, and records.
HELD_BYTES = 384 * 1024


def wait_still(measure: Callable[[], int], seconds: float = 0.3) -> int:
    """Return what *measure* gives once it has stood still for so long."""
    deadline = time.monotonic() + 2 * PATIENCE
    last, since = measure(), time.monotonic()
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, "it never stands still"
        time.sleep(0.05)
        if (now := measure()) != last:
            last, since = now, time.monotonic()
    return last


class Flood:
    """A client that sends a block again and again from a thread, and counts what is taken."""

    def __init__(self, client: Client, block: bytes, times: int) -> None:
        self.client = client
        self.sent = 0
        self._block = block
        self._times = times
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # the latter of an SSL object that ends
            for _ in range(self._times):
                self.client.send(self._block)
                self.sent += len(self._block)

    def stop(self) -> None:
        """End the connection; the thread ends with it."""
        with contextlib.suppress(OSError):
            self.client.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self.client.close()


class Pusher:
    """A backend that counts how much of an endless answer it gets rid of."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.sent = 0
        self._lock = threading.Lock()

    def __call__(self, served: Served) -> None:
        served.request()
        served.send(self.head)
        block = bytes(16384)
        for _ in range(4096):
            served.send(block)
            with self._lock:
                self.sent += len(block)


ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "extra", "is_secure"),
    [
        (ENDLESS, b"", False),
        (ENDLESS, b"", True),
        (AGREE, ASK, False),
        (AGREE, ASK, True),
    ],
    ids=["plain", "TLS", "tunnel", "tunnel through TLS"],
)
def test_clients_that_do_not_read_stop_the_backend(
    steady: Program, world: World, head: bytes, extra: bytes, *, is_secure: bool
) -> None:
    lane = world.by_name("secure.test") if is_secure else world.single()
    pusher = Pusher(head)
    lane.backend.serve(pusher)
    before = steady.resident_kib()
    clients = []
    for _ in range(30):
        client = (
            connect_tls(steady.https, "secure.test")
            if is_secure
            else connect(steady.http, receive_buffer=4096)
        )
        client.send(lane.get(extra=extra))
        clients.append(client)
    sent = wait_still(lambda: pusher.sent)
    grown = steady.resident_kib() - before
    front = steady.https if is_secure else steady.http
    held = sent - bytes_from(front, lane.backend.port) - bytes_in_pipes(steady.process.pid)
    for client in clients:
        client.reset()
    assert sent < 30 * 64 * MIB, "the kernel has taken it all"
    assert held < 30 * HELD_BYTES, f"{held / 30 / 1024:.0f} KiB of each are held"
    assert grown < 32 * 1024, f"{grown / 1024:.0f} MiB"


@pytest.mark.parametrize("extra", [b"Content-Length: 67108864\r\n", ASK], ids=["body", "tunnel"])
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
def test_a_backend_that_does_not_read_stops_the_client(
    steady: Program, world: World, extra: bytes, *, is_secure: bool
) -> None:
    release = threading.Event()

    def run(served: Served) -> None:
        served.request_head()
        if extra is ASK:
            served.send(AGREE)
        release.wait(15)

    lane = world.by_name("secure.test") if is_secure else world.single()
    lane.backend.serve(run)
    before = steady.resident_kib()
    floods = []
    for _ in range(5):
        client = connect_tls(steady.https, "secure.test") if is_secure else connect(steady.http)
        client.send(lane.request(b"GET" if extra is ASK else b"POST", b"/", extra))
        if extra is ASK:
            assert client.response().status == 101
        floods.append(Flood(client, bytes(16384), 4096))
    taken = wait_still(lambda: sum(flood.sent for flood in floods))
    grown = steady.resident_kib() - before
    front = steady.https if is_secure else steady.http
    held = taken - bytes_towards(front, lane.backend.port) - bytes_in_pipes(steady.process.pid)
    for flood in floods:
        flood.stop()
    release.set()
    assert taken < 5 * 64 * MIB, "the kernel has taken it all"
    assert held < 5 * HELD_BYTES, f"{held / 5 / 1024:.0f} KiB of each are held"
    assert grown < 8 * 1024, f"{grown / 1024:.0f} MiB"


def test_a_flood_of_pipelined_requests_waits(steady: Program, world: World) -> None:
    """While one answer is awaited, the requests behind it fill sockets, not the heap."""
    lane = world.single()
    lane.backend.serve(once(b""))
    before = steady.resident_kib()
    client = connect(steady.http)
    client.send(lane.get())
    lane.backend.wait_request()
    flood = Flood(client, lane.get() * 1000, 1000)
    taken = wait_still(lambda: flood.sent)
    grown = steady.resident_kib() - before
    held = taken - bytes_towards(steady.http)
    flood.stop()
    assert held < HELD_BYTES, f"{held / 1024:.0f} KiB are held"
    assert grown < 8 * 1024


def test_a_client_that_pipelines_and_never_reads_is_stopped(steady: Program, world: World) -> None:
    """Answers to somebody who does not read them may not pile up."""
    lane = world.single()
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100000)
    lane.backend.answer(body)
    before = steady.resident_kib()
    client = connect(steady.http, receive_buffer=4096)
    writing = client.send_aside(lane.get() * 2000)
    served = wait_still(lambda: len(lane.backend.requests), 0.6)
    grown = steady.resident_kib() - before
    held = served * len(body) - bytes_from(steady.http, lane.backend.port)
    client.reset()
    writing.join(PATIENCE)
    assert held < HELD_BYTES, f"{held / 1024:.0f} KiB are held, of {served} answers"
    assert grown < 8 * 1024, f"{grown / 1024:.0f} MiB"


@pytest.mark.parametrize("host", [b"nowhere.test", None], ids=["local", "forwarded"])
def test_small_answers_to_a_client_that_never_reads_do_not_pile_up(
    steady: Program, world: World, host: bytes | None
) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    request = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % (host or lane.host)
    other = connect(steady.http)
    other.ask(request)
    size = len(other.received)
    client = connect(steady.http, receive_buffer=4096)
    flood = Flood(client, request * 1000, 200)
    wait_still(lambda: flood.sent, 0.6)
    read = flood.sent - bytes_towards(steady.http)
    held = read * size // len(request) - bytes_from(steady.http)
    flood.stop()
    other.close()
    assert flood.sent < len(request) * 190000, "all of it has been taken"
    # Answers, and those of them that are yet to be made of input that waits.
    assert held < 1024 * 1024, f"{held / 1024:.0f} KiB of answers"


def test_answers_that_had_to_wait_for_room_all_come(steady: Program, world: World) -> None:
    """Small answers, local and forwarded, to a client that reads only after it has half-closed."""
    lane = world.single()
    lane.backend.answer(OK)
    client = connect(steady.http, receive_buffer=4096)
    nowhere = b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n"
    count = 3000
    writing = client.send_aside((nowhere * 9 + lane.get()) * (count // 10))
    first = client.response()
    assert first.status == 404
    wait_still(lambda: len(lane.backend.requests))
    answers = [client.response().status for _ in range(count - 1)]
    writing.join(PATIENCE)
    client.half_close()
    assert answers == (([404] * 9 + [200]) * (count // 10))[1:]
    assert client.ending() == "fin"
    client.close()


def test_requests_leave_nothing_behind(steady: Program, world: World) -> None:
    lane = world.single()
    lane.backend.answer(OK)

    def run(count: int) -> None:
        client = connect(steady.http)
        for number in range(count):
            target = b"/%d" % number
            host = b"h%d.nowhere" % number
            client.send(lane.get(target, b"Cookie: a=%d\r\n" % number))
            client.send(b"GET /x HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            assert client.response().status == 200
            assert client.response().status == 404
        client.close()

    run(500)
    before = steady.resident_kib()
    run(2500)
    assert steady.resident_kib() - before < 3 * 1024


def test_a_process_without_descriptors_neither_dies_nor_spins(
    world: World, tmp_path: Path
) -> None:
    lane = world.single()
    lane.backend.serve(answering(OK))
    program = start(world.folder, tmp_path / "log")
    clients: list[Client] = []
    try:
        used = len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))
        limit = used + 20
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        clients += [connect(program.http, seconds=5) for _ in range(60)]
        time.sleep(0.3)
        before = program.cpu_seconds()
        time.sleep(1)
        assert program.cpu_seconds() - before < 0.3, "it spins"
        for client in clients[:5]:
            client.send(lane.get())
        for client in clients[:5]:
            try:
                assert client.response().status in {200, 502, 503}
            except Ended:
                continue
        for client in clients:
            client.close()
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            last = connect(program.http, seconds=5)
            clients.append(last)
            try:
                if last.ask(lane.get()).status == 200:
                    break
            except (Ended, TimeoutError, ConnectionError):
                assert time.monotonic() < deadline, "it has not recovered"
        assert program.process.poll() is None
        for client in clients:
            client.close()
        program.stop()
    finally:
        program.process.kill()
        program.process.wait()
