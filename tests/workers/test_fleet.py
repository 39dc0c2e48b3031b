"""The master's side of the fleet: generations, slow and dying workers; with real processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import attrs
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from fsm_twisted.net.addresses import ListenAddress, bind, bind_shared
from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.observe.report import Report
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.snapshot.identity import IngressId
from fsm_twisted.snapshot.model import Match, Route, Snapshot, VirtualHost
from fsm_twisted.snapshot.reasons import REPLIES
from fsm_twisted.workers.parent import LATE_SECONDS, Fleet
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.road import Front
from tests.workers.processes import owners

WORKERS = 2
SECONDS = 60.0


def snapshot(generation: int) -> Snapshot:
    """Make a snapshot that says its generation: ``/N`` alone gets 503."""
    route = Route(
        IngressId("default", "a"),
        "a.test",
        f"/{generation}",
        Match.EXACT,
        None,
        REPLIES["no_service"],
    )
    return Snapshot(generation, {"a.test": VirtualHost("a.test", (route,))})


@implementer(ILogObserver)
class Events(list[LogEvent]):
    """The log."""

    def __call__(self, event: LogEvent) -> None:
        self.append(event)


@attrs.define
class World:
    """A fleet on a reactor of its own, turned by hand."""

    reactor: FsmReactor
    fleet: Fleet
    port: int
    events: Events

    def until(self, is_so: Callable[[], object], seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "waited in vain"
            self.reactor.iterate(0.005)

    def publish(self, generation: int) -> None:
        self.fleet.publish(snapshot(generation))

    def until_served_by(self, at: int, generation: int) -> None:
        self.until(lambda: self.generations[at] == generation)

    def served(self, generation: int) -> Deferred[None]:
        waiting = self.fleet.when_served(generation)
        self.until(lambda: waiting.called)
        return waiting

    @property
    def generations(self) -> list[int]:
        """What each worker has acknowledged last, 0 for nothing."""
        posts = self.fleet._posts
        return [post.serving.generation if post.serving else 0 for post in posts]

    def pid(self, at: int) -> int:
        return self.fleet._posts[at].pid

    def status(self, path: str) -> int:
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
            return int(sock.recv(65536).split()[1])


@pytest.fixture
def world() -> Iterator[World]:
    address = ListenAddress("tcp", "127.0.0.1")
    yield from fleet_on([Front(address, is_secure=False, sock=bind(address))])


@pytest.fixture
def own_sockets() -> Iterator[World]:
    """Give each worker a socket of its own."""
    address = ListenAddress("tcp", "127.0.0.1")
    sockets = enumerate(bind_shared(address, WORKERS), 1)
    yield from fleet_on([Front(address, is_secure=False, sock=s, worker=n) for n, s in sockets])


def fleet_on(fronts: list[Front]) -> Iterator[World]:
    reactor = FsmReactor()
    plan = Plan.for_workers(WORKERS, ProxyOptions(), fronts, None, "info")
    fleet = Fleet(reactor, WORKERS, plan, fronts)
    events = Events()
    globalLogPublisher.addObserver(events)
    world = World(reactor, fleet, fronts[0].sock.getsockname()[1], events)
    fleet.start()
    try:
        yield world
        ended = fleet.stop()
        world.until(lambda: ended.called)
    finally:
        globalLogPublisher.removeObserver(events)
        for call in reactor.getDelayedCalls():
            call.cancel()
        for each in reactor.removeAll():
            each.connectionLost(None)
        reactor._poller.close()
        for front in fronts:
            front.sock.close()


def test_every_worker_serves_a_generation_only_when_every_worker_has_said_so(
    world: World,
) -> None:
    waiting = world.fleet.when_served(1)
    world.publish(1)

    assert not waiting.called
    assert world.fleet.missing() == "0 of 2 workers serve"

    world.until(lambda: waiting.called)

    assert world.generations == [1, 1]
    assert world.fleet.missing() == ""
    assert {world.status("/1") for _ in range(20)} == {503}
    assert world.fleet.when_served(1).called
    assert not world.fleet.when_served(2).called


def test_a_wait_that_is_cancelled_ends_and_the_others_go_on(world: World) -> None:
    given_up, waiting = world.fleet.when_served(1), world.fleet.when_served(1)
    failures: list[object] = []
    given_up.addErrback(lambda failure: failures.append(failure.trap(CancelledError)))
    given_up.cancel()
    world.publish(1)
    world.until(lambda: waiting.called)

    assert failures == [CancelledError]


def spread(world: World, changes: int) -> float:
    """Publish changes; return for how long at most workers differed by more than one, seconds."""
    longest, since = 0.0, 0.0
    last = world.generations[0] + changes
    while min(world.generations) < last:
        if max(world.generations) < last and world.generations[0] == world.generations[1]:
            world.publish(world.generations[0] + 1)
        elif max(world.generations) < last:
            world.publish(max(world.generations) + 1)
        world.reactor.iterate(0.001)
        now = time.monotonic()
        if abs(world.generations[0] - world.generations[1]) > 1:
            since = since or now
            longest = max(longest, now - since)
        else:
            since = 0.0
    return longest


def test_workers_differ_by_more_than_one_generation_for_50_ms_at_most(world: World) -> None:
    world.publish(1)
    world.served(1)

    # A busy machine may take a processor away for longer than that; not three times in a row.
    assert min(spread(world, 50) for _ in range(3)) < 0.05
    assert world.generations == [151, 151]


def test_however_fast_changes_come_all_workers_go_through_the_same_snapshots(
    world: World,
) -> None:
    world.publish(1)
    world.served(1)
    passed: list[list[int]] = [[1], [1]]
    for generation in range(2, 300):
        if generation < 100:
            world.publish(generation)
        world.reactor.iterate(0.001)
        for seen, now in zip(passed, world.generations, strict=True):
            if seen[-1] != now:
                seen.append(now)
        ahead = max(passed, key=len)
        assert min(passed, key=len)[-1] in ahead[-2:]
        if world.generations == [99, 99]:
            break

    assert passed[0] == passed[1]
    assert passed[0][-1] == 99


def test_a_worker_that_stands_still_keeps_nobody_waiting_and_skips_what_is_old(
    world: World,
) -> None:
    world.publish(1)
    world.served(1)
    os.kill(world.pid(0), signal.SIGSTOP)
    for generation in range(2, 12):
        world.publish(generation)
        world.until_served_by(1, generation)
    os.kill(world.pid(0), signal.SIGCONT)
    passed: list[int] = []
    while world.generations[0] < 11:
        world.reactor.iterate(0.005)
        passed.append(world.generations[0])

    # One change was under way when it stopped; all others travel as one.
    assert set(passed) <= {1, 2, 11}
    assert float(world.fleet.series()["workers_apart_longest_seconds"]) > 0


def test_the_others_wait_for_a_worker_that_is_a_little_slow(world: World) -> None:
    world.publish(1)
    world.served(1)
    os.kill(world.pid(0), signal.SIGSTOP)
    world.publish(2)
    world.until_served_by(1, 2)
    world.publish(3)
    begun = time.monotonic()
    world.until_served_by(1, 3)
    waited = time.monotonic() - begun
    os.kill(world.pid(0), signal.SIGCONT)
    world.served(3)

    assert waited > LATE_SECONDS / 2


def test_the_successor_of_a_dead_worker_serves_the_newest_snapshot(world: World) -> None:
    for generation in (1, 2, 3):
        world.publish(generation)
    world.served(3)
    dead = world.pid(1)
    os.kill(dead, signal.SIGKILL)
    world.until(lambda: world.pid(1) != dead)
    ready = world.fleet.missing()
    world.until(lambda: world.generations == [3, 3])

    # One that serves is enough after the start.
    assert ready == ""


def test_a_worker_that_dies_at_once_again_and_again_is_waited_for_longer_each_time(
    world: World,
) -> None:
    world.publish(1)
    world.served(1)
    for _ in range(3):
        world.until(lambda: world.pid(0))
        os.kill(world.pid(0), signal.SIGKILL)
        world.until(lambda: not world.pid(0))
    world.until(lambda: world.generations == [1, 1])

    told = [each["seconds"] for each in world.events if "seconds" in each]
    assert told == [0.0, 0.25, 0.5]


# Own sockets


def waiting_for(world: World) -> socket.socket:
    """Connect until a connection waits for a worker that stands still."""
    while True:
        sock = socket.create_connection(("127.0.0.1", world.port), 5)
        sock.sendall(b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        sock.settimeout(0.2)
        with suppress(TimeoutError):
            sock.recv(65536)
            sock.close()
            continue
        sock.settimeout(0)
        return sock


def test_what_waits_for_a_dead_worker_is_served_by_another_before_there_is_a_successor(
    own_sockets: World,
) -> None:
    world = own_sockets
    world.publish(1)
    world.served(1)
    # The third death in a row is waited after for half a second.
    for _ in range(2):
        os.kill(world.pid(0), signal.SIGKILL)
        world.until(lambda: not world.pid(0))
        world.until(lambda: world.generations == [1, 1])
    os.kill(world.pid(0), signal.SIGSTOP)
    with waiting_for(world) as sock:
        os.kill(world.pid(0), signal.SIGKILL)
        world.until(lambda: not world.pid(0))
        answer = b""

        def is_answered() -> bytes:
            nonlocal answer
            with suppress(BlockingIOError):
                answer += sock.recv(65536)
            return answer

        world.until(is_answered)

    assert answer.startswith(b"HTTP/1.1 503")
    assert not world.pid(0)
    world.until(lambda: world.generations == [1, 1])
    assert {world.status("/1") for _ in range(20)} == {503}


def test_workers_with_own_sockets_share_connections_and_one_address(own_sockets: World) -> None:
    world = own_sockets
    world.publish(1)
    world.served(1)
    peers = []
    with ExitStack() as stack:
        for _ in range(100):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", world.port), 5))
            sock.sendall(b"GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert sock.recv(65536)
            peers.append(sock.getsockname()[1])
        held = Counter(owners(world.port, peers, [world.pid(0), world.pid(1)]).values())

    # The kernel draws by the addresses: fewer than 20 of 100 is one case in a thousand millions.
    assert min(held[world.pid(at)] for at in range(WORKERS)) >= 20


def replies(report: Report) -> float:
    return report.counters.get('replies_total{reason="no_service"}', 0)


def test_what_a_worker_had_counted_a_second_before_it_was_killed_is_not_lost(
    world: World,
) -> None:
    world.publish(1)
    world.served(1)
    for _ in range(10):
        world.status("/1")
    # Nobody asks: workers tell by themselves.
    world.until(lambda: sum(map(replies, world.fleet._counts._newest.values())) == 10)
    killed = {world.pid(at) for at in range(WORKERS)}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    world.until(lambda: killed.isdisjoint(world.pid(at) for at in range(WORKERS)))
    found: list[Report] = []
    world.fleet.report().addCallback(found.append)
    world.until(lambda: found)

    assert replies(found[0]) == 10


def test_the_death_of_a_nursery_that_was_asked_to_fork_loses_no_worker(world: World) -> None:
    nursery = world.fleet._nursery
    assert nursery is not None
    # It has not even read its plan.
    os.kill(nursery._process.pid, signal.SIGKILL)
    world.publish(1)
    world.served(1)

    assert world.generations == [1, 1]


def test_what_a_worker_logs_is_in_the_masters_log_with_its_number(world: World) -> None:
    world.publish(1)
    world.served(1)
    with socket.create_connection(("127.0.0.1", world.port), 5) as sock:
        world.fleet.cut()
        world.until(lambda: any("worker" in each for each in world.events))
        sock.settimeout(5)

    texts = [each["text"] for each in world.events if "text" in each]
    assert any("connections cut" in text for text in texts)
