"""Leader election: never two at a time, soon another one, and none without the right to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from fsm_twisted.control.leader import Election, Leader
from fsm_twisted.sources.cluster.api import ApiError
from tests.control.cluster_store import Asked, Store, at_once, forbidden
from tests.net.turning import logged

LEASES = "/apis/coordination.k8s.io/v1/namespaces/fsm/leases"
PATH = f"{LEASES}/fsm-ingress-pipy"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Candidates:
    """Some candidates on one store, and a clock in our hand."""

    def __init__(
        self, *names: str, delays: Callable[[Asked], tuple[float, float]] = at_once
    ) -> None:
        self.clock = Clock()
        self.store = Store(self.clock, delays)
        self.told: list[tuple[str, bool]] = []
        self.leaders = {name: self.candidate(name) for name in names}

    def candidate(self, name: str, ahead: timedelta = timedelta(0)) -> Leader:
        leader = Leader(
            Election("fsm", "fsm-ingress-pipy", name),
            self.store,
            clock=self.clock,
            monotonic=self.clock.seconds,
            draw=lambda: 0.5,
            wall=lambda: NOW + ahead + timedelta(seconds=self.clock.seconds()),
        )
        leader.observe(lambda is_leader: self.told.append((name, is_leader)))
        return leader

    def start(self, *names: str) -> None:
        for name in names:
            self.leaders[name].start()
        self.run(0)

    def run(self, seconds: float, step: float = 0.25) -> None:
        end = self.clock.seconds() + seconds
        self.clock.advance(0)
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))

    @property
    def now(self) -> list[str]:
        return [name for name, leader in self.leaders.items() if leader.is_leader]

    @property
    def spec(self) -> dict[str, object]:
        spec: dict[str, object] = self.store.objects[PATH]["spec"]
        return spec

    def writes(self) -> list[Asked]:
        return [each for each in self.store.asked if each.method != "GET"]


def test_the_first_candidate_makes_the_lease_and_is_told() -> None:
    world = Candidates("a")

    world.start("a")

    assert world.now == ["a"]
    assert world.told == [("a", True)]
    assert world.spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_leader_stays_it_and_a_second_candidate_waits() -> None:
    world = Candidates("a", "b")
    world.start("a", "b")
    world.run(100)

    assert world.now == ["a"]
    assert world.told == [("a", True)]
    assert world.leaders["b"].holder == "a"
    assert world.spec["renewTime"] == "2026-01-01T00:01:40.000000Z"
    assert 45 <= len(world.writes()) <= 55


def test_a_leader_that_is_gone_is_followed_after_its_lease_and_no_earlier() -> None:
    world = Candidates("a", "b")
    world.start("a")
    world.run(0.5)
    world.start("b")
    dead = world.leaders.pop("a")
    world.store.fault = lambda asked: (
        ApiError(500, "")
        if (asked.body or {}).get("spec", {}).get("holderIdentity") == "a"
        else None
    )
    world.run(14.5)
    assert world.now == []

    world.run(4.5)
    assert world.now == ["b"]
    assert world.spec["leaseTransitions"] == 1
    assert not dead.is_leader


def test_a_leader_that_resigns_is_followed_at_the_next_look() -> None:
    world = Candidates("a", "b")
    world.start("a", "b")
    world.run(5)

    resigned = world.leaders["a"].resign()
    assert world.now == []
    world.run(0.25)
    assert resigned.called
    assert world.spec["holderIdentity"] == ""
    assert world.spec["leaseDurationSeconds"] == 1
    world.run(4.5)

    assert world.now == ["b"]
    assert world.told == [("a", True), ("a", False), ("b", True)]


def test_one_that_is_not_the_leader_releases_nothing() -> None:
    world = Candidates("a", "b")
    world.start("a", "b")
    before = len(world.writes())

    stopped = world.leaders["b"].stop()
    world.run(0)
    assert stopped.called
    assert len(world.writes()) == before
    assert world.now == ["a"]


def test_a_release_that_hangs_is_given_up_after_two_seconds() -> None:
    world = Candidates("a", delays=lambda asked: (0.0, 60.0 * _is_release(asked)))
    world.start("a")
    ended: list[None] = []
    world.leaders["a"].resign()
    world.leaders["a"].stop().addCallback(ended.append)
    world.run(1.75)
    assert ended == []
    with logged() as log:
        world.run(0.5)

    assert ended == [None]
    assert "could not be released" in log.text


def _is_release(asked: Asked) -> bool:
    return asked.method == "PUT" and asked.body["spec"]["holderIdentity"] == ""


def test_a_release_that_a_renewal_overtook_is_made_again() -> None:
    world = Candidates("a")
    world.start("a")
    item = world.store.objects[PATH]
    world.store.put(PATH, item)

    world.leaders["a"].resign()
    world.run(0)

    assert world.spec["holderIdentity"] == ""


def test_without_an_answer_the_leader_gives_up_in_time() -> None:
    world = Candidates("a")
    world.start("a")
    world.run(4)
    world.store.fault = lambda _: ApiError(500, "broken")
    with logged() as log:
        world.run(9.75)
        assert world.now == ["a"]
        world.run(0.25)

    assert world.now == []
    assert world.told[-1] == ("a", False)
    assert log.text.count("broken") == 1
    world.store.fault = lambda _: None
    world.run(5)
    assert world.now == ["a"]


def test_answers_that_hang_end_the_leadership_as_well() -> None:
    hanging = False
    world = Candidates("a", delays=lambda _: (0.0, 1000.0 * hanging))
    world.start("a")
    hanging = True
    world.run(10.0)

    assert world.now == []


def test_slow_answers_are_answers() -> None:
    world = Candidates("a", delays=lambda _: (0.0, 3.0))
    world.start("a")
    world.run(60)

    assert world.told == [("a", True)]


def test_leadership_counts_from_what_was_sent_not_from_its_answer() -> None:
    world = Candidates("a", delays=lambda asked: (0.0, 4.0 if asked.method == "POST" else 0.0))
    world.start("a")
    world.store.fault = lambda asked: ApiError(500, "") if asked.method == "PUT" else None
    world.run(9.75)
    assert world.now == ["a"]
    world.run(0.25)

    assert world.now == []


def test_who_was_faster_holds_it() -> None:
    world = Candidates("a", "b")
    world.start("a", "b")

    assert world.now == ["a"]
    assert [each.method for each in world.store.asked] == ["GET", "GET", "POST", "POST"]


def test_a_leader_whose_lease_was_taken_steps_down_at_the_next_renewal() -> None:
    world = Candidates("a")
    world.start("a")
    item = world.store.objects[PATH]
    world.store.put(PATH, {**item, "spec": {**item["spec"], "holderIdentity": "z"}})
    world.run(2)

    assert world.now == []
    assert world.leaders["a"].holder == "z"


def test_a_lease_that_is_deleted_is_made_again_and_a_label_on_it_stays() -> None:
    world = Candidates("a")
    world.start("a")
    del world.store.objects[PATH]
    world.run(5)
    assert world.now == ["a"]

    item = world.store.objects[PATH]
    world.store.put(PATH, {**item, "metadata": {**item["metadata"], "labels": {"k": "v"}}})
    world.run(5)
    assert world.now == ["a"]
    assert world.store.objects[PATH]["metadata"]["labels"] == {"k": "v"}
    assert world.told == [("a", True)]


def test_clocks_of_others_do_not_matter() -> None:
    world = Candidates()
    world.leaders = {
        "a": world.candidate("a", timedelta(days=-3)),
        "b": world.candidate("b", timedelta(days=3)),
    }
    world.start("a", "b")
    world.run(60)

    assert world.told == [("a", True)]


def test_without_the_right_it_is_said_once_with_the_rule_and_asked_rarely() -> None:
    world = Candidates("a")
    world.store.fault = lambda _: forbidden()
    with logged() as log:
        world.start("a")
        world.run(100)

    assert world.now == []
    assert log.text.count('resources: ["leases"], verbs: [get, create, update]') == 1
    assert 4 <= len(world.store.asked) <= 6
    world.store.fault = lambda _: None
    with logged() as log:
        world.run(60)
    assert world.now == ["a"]
    assert "can be used again" in log.text


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": 5, "leaseDurationSeconds": "x"}])
def test_a_lease_that_says_nothing_is_free(spec: object) -> None:
    world = Candidates("a")
    world.store.put(PATH, {"metadata": {"name": "fsm-ingress-pipy"}, "spec": spec})
    world.start("a")

    assert world.now == ["a"]


def cycle(values: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    while True:
        yield from values


slow = st.sampled_from([0.0, 0.01, 0.7, 2.3, 4.9, 9.0, 16.0, 31.0])


@given(
    delays=st.lists(st.tuples(slow, slow), min_size=1, max_size=12),
    resigns=st.none() | st.integers(5, 60),
)
@settings(max_examples=40)
def test_two_are_never_the_leader_whatever_the_delays(
    delays: list[tuple[float, float]], resigns: int | None
) -> None:
    turns = cycle(delays)
    world = Candidates("a", "b", "c", delays=lambda _: next(turns))
    world.start("a", "b", "c")
    for second in range(120):
        if second == resigns:
            world.leaders["a"].resign()
        for _ in range(4):
            world.clock.advance(0.25)
            assert len(world.now) <= 1


@given(st.lists(st.tuples(slow, slow), max_size=12))
@settings(max_examples=15)
def test_there_is_a_leader_soon_after_all_is_well(delays: list[tuple[float, float]]) -> None:
    turns = iter(delays)
    world = Candidates("a", "b", delays=lambda _: next(turns, (0.01, 0.01)))
    world.start("a", "b")
    world.run(140)

    assert len(world.now) == 1
