"""The request tail: costs nothing while nobody looks, is bounded, and redacts."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from fsm_twisted.admin.tail import LOOK_SECONDS, RING_BYTES, Filter, RequestTail
from fsm_twisted.observe.access import Noted, pack_batch, pack_peer, pack_route

ANY = Filter()


def batch(path: str = "/", status: int = 200, reason: str = "", size: int = 0) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: a.example\r\nX-Pad: {'x' * size}\r\n\r\n".encode()
    route = pack_route("default", "web", "/", "web", 80)
    peer = pack_peer(b"10.0.0.1", b"", b"")
    numbers = (1.0, 1.1, 1.05, status, 1, 1, 10, 20, 5)
    return pack_batch(0.0, [Noted(*numbers, head, b"", peer, route, b"", reason.encode())])


class World:
    def __init__(self, *redacted: str) -> None:
        self.clock = Clock()
        self.told: list[bool] = []
        self.tail = RequestTail(self.clock, self.told.append, redacted)

    def paths(
        self, wanted: Filter = ANY, position: int | None = None, most: int = 100
    ) -> list[str]:
        return [each["path"] for each in self.tail.since(position, wanted, most).records]


def test_workers_record_from_the_first_look_until_nobody_has_looked_for_so_long() -> None:
    world = World()
    assert world.told == []

    world.tail.look()
    world.clock.advance(LOOK_SECONDS - 1)
    world.tail.look()
    world.clock.advance(LOOK_SECONDS - 1)
    assert world.told == [True]

    world.clock.advance(1)
    assert world.told == [True, False]


def test_nothing_is_kept_while_nobody_looks() -> None:
    world = World()
    world.tail.take(batch("/before"))
    world.tail.look()
    world.tail.take(batch("/now"))

    assert world.paths() == ["/now"]
    world.clock.advance(LOOK_SECONDS)
    assert world.paths() == []


def test_a_reader_goes_on_where_it_has_stopped() -> None:
    world = World()
    world.tail.look()
    world.tail.take(batch("/1"))
    position = world.tail.since(None, ANY, 100).position
    world.tail.take(batch("/2"))

    assert world.paths(position=position) == ["/2"]
    assert world.paths(position=world.tail.end_position) == []


def test_the_ring_is_bounded_and_says_what_was_lost() -> None:
    world = World()
    world.tail.look()
    for number in range(40):
        world.tail.take(batch(f"/{number}", size=RING_BYTES // 20))

    seen = world.tail.since(0, ANY, 1000)
    assert seen.was_cut
    assert 10 < len(seen.records) < 21
    assert seen.records[-1]["path"] == "/39"
    assert world.paths(most=3) == ["/37", "/38", "/39"]


def test_a_batch_that_cannot_be_read_harms_no_other() -> None:
    world = World()
    world.tail.look()
    for each in (batch("/1"), b"nonsense", batch("/2")):
        world.tail.take(each)

    assert world.paths() == ["/1", "/2"]


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (Filter(status="5xx"), ["/b"]),
        (Filter(status="200"), ["/a"]),
        (Filter(reason="any"), ["/b"]),
        (Filter(reason="no_service"), ["/b"]),
        (Filter(reason="other"), []),
        (Filter(origin="upstream"), ["/a"]),
        (Filter(path="b"), ["/b"]),
        (Filter(host="EXAMPLE"), ["/a", "/b"]),
        (Filter(ingress="default/web", method="get", client="10.0.0.1"), ["/a", "/b"]),
        (Filter(ingress="other/web"), []),
    ],
)
def test_filters_take_what_they_name(wanted: Filter, paths: list[str]) -> None:
    world = World()
    world.tail.look()
    world.tail.take(batch("/a"))
    world.tail.take(batch("/b", 503, "no_service"))

    assert world.paths(wanted) == paths


def test_what_nobody_may_read_is_neither_shown_nor_found_by_a_filter() -> None:
    world = World("query", "client")
    world.tail.look()
    world.tail.take(batch("/a?token=secret"))

    (record,) = world.tail.since(None, ANY, 1).records
    assert "secret" not in str(record)
    assert "10.0.0.1" not in str(record)
    assert world.paths(Filter(path="token=s")) == []


def test_whoever_waits_is_woken_by_a_batch_by_time_and_by_the_end() -> None:
    world = World()
    world.tail.look()
    woken: list[str] = []

    def wait(name: str, seconds: float) -> Deferred[None]:
        waiting = world.tail.wait(seconds)
        waiting.addCallback(lambda _: woken.append(name))
        return waiting

    wait("batch", 10)
    world.tail.take(batch())
    wait("time", 3)
    world.clock.advance(3)
    wait("end", 10)
    world.tail.end()

    assert woken == ["batch", "time", "end"]
    assert world.clock.getDelayedCalls() == []
