"""What workers know of endpoints: asked for, added up, and not waited for too long."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from fsm_twisted.observe.live import EndpointFacts, EndpointKey, Endpoints, LiveError, Piece
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.looks import Looks
from fsm_twisted.workers.questions import ANSWER_SECONDS

ONE: EndpointKey = ("n", "s", 80, "http/1.1", "", "", "10.0.0.1:80")
TWO: EndpointKey = ("n", "s", 80, "http/1.1", "", "", "10.0.0.2:80")


class Worker:
    """A worker as its post has it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_held = True
        self.asked: list[int] = []

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        assert kind is Kind.SHOW
        self.asked.append(int(payload))


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.looks = Looks(self.clock)
        self.workers = [Worker(1), Worker(2)]
        self.looks.watch(self.workers)

    def look(self) -> list[Endpoints]:
        found: list[Endpoints] = []
        self.looks.look().addCallback(found.append)
        return found

    def show(self, worker: int, endpoints: Endpoints, *, question: int | None = None) -> None:
        number = self.workers[worker - 1].asked[-1] if question is None else question
        for piece in (Piece(number, endpoints), Piece(number, is_last=True)):
            self.looks.received(worker, piece.to_bytes())


def test_what_workers_know_is_added_up() -> None:
    world = World()
    found = world.look()
    world.show(1, {ONE: EndpointFacts(1, 2, 0, 3)})
    assert found == []

    world.show(2, {ONE: EndpointFacts(10, 20, 1, 30), TWO: EndpointFacts(in_flight=5)})

    assert found == [{ONE: EndpointFacts(11, 22, 1, 33), TWO: EndpointFacts(in_flight=5)}]


def test_two_looks_at_the_same_time_do_not_mix() -> None:
    world = World()
    first, second = world.look(), world.look()
    for question in (1, 2):
        for worker in (1, 2):
            world.show(worker, {ONE: EndpointFacts(question)}, question=question)

    assert first == [{ONE: EndpointFacts(2)}]
    assert second == [{ONE: EndpointFacts(4)}]


def test_a_silent_worker_is_left_out_after_a_while_and_a_dead_one_at_once() -> None:
    world = World()
    found = world.look()
    world.show(1, {ONE: EndpointFacts(1)})
    world.clock.advance(ANSWER_SECONDS)
    assert found == [{ONE: EndpointFacts(1)}]

    again = world.look()
    world.show(1, {ONE: EndpointFacts(7)})
    world.looks.gone(2)
    assert again == [{ONE: EndpointFacts(7)}]
    world.show(2, {ONE: EndpointFacts(1)})  # too late, and of no interest


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"[1,true,[[1]]]", b'["x",true,[]]'])
def test_nonsense_is_said_to_be_nonsense(data: bytes) -> None:
    with pytest.raises(LiveError):
        Piece.from_bytes(data)
