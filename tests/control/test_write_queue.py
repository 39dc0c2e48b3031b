"""Laws of the queue of writes, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from fsm_twisted.control.write_queue import WriteQueue
from fsm_twisted.objects.model import ObjectRef
from tests.net.turning import logged

AT_ONCE, PER_SECOND = 3, 4.0


def ref(number: int) -> ObjectRef:
    return ObjectRef("Ingress", "default", f"n{number}")


class World:
    """A queue whose acts take so long each, in turn."""

    def __init__(self, *seconds: float) -> None:
        self.clock = Clock()
        self.seconds = seconds or (0.0,)
        self.begun: list[tuple[float, ObjectRef]] = []
        self.running: dict[ObjectRef, Deferred[None]] = {}
        self.queue = WriteQueue(self.clock, self.act, at_once=AT_ONCE, per_second=PER_SECOND)

    def act(self, about: ObjectRef) -> Deferred[None]:
        assert about not in self.running
        assert len(self.running) < AT_ONCE
        seconds = self.seconds[len(self.begun) % len(self.seconds)]
        self.begun.append((self.clock.seconds(), about))
        ended: Deferred[None] = Deferred()
        self.running[about] = ended

        def finished(result: object) -> object:
            del self.running[about]
            return result

        def finish() -> None:
            if not ended.called:
                ended.callback(None)

        ended.addBoth(finished)
        self.clock.callLater(seconds, finish)
        return ended

    def run(self, seconds: float, step: float = 0.05) -> None:
        self.clock.pump([step] * round(seconds / step))


operations = st.lists(
    st.tuples(st.sampled_from(["add", "urgent", "later", "pause", "run"]), st.integers(0, 5)),
    max_size=25,
)


@given(operations, st.lists(st.sampled_from([0.0, 0.1, 0.7, 2.0]), min_size=1, max_size=4))
@settings(max_examples=40)
def test_all_that_is_added_is_done_never_too_many_at_once_and_never_too_fast(
    script: list[tuple[str, int]], seconds: list[float]
) -> None:
    world = World(*seconds)
    added: dict[ObjectRef, float] = {}
    for what, number in script:
        match what:
            case "run":
                world.run(number * 0.2)
            case "pause":
                world.queue.pause(number * 0.3)
            case "later":
                world.queue.add_later(ref(number), 1.0)
                added[ref(number)] = world.clock.seconds()
            case _:
                world.queue.add(ref(number), is_urgent=what == "urgent")
                added[ref(number)] = world.clock.seconds()
    world.run(60, 0.25)

    last = {about: at for at, about in world.begun}
    assert last.keys() == added.keys()
    assert all(last[about] >= at for about, at in added.items())
    assert len(world.queue) == 0
    times = [at for at, _ in world.begun]
    for start in times:
        assert sum(start <= at < start + 0.999 for at in times) <= 2 * PER_SECOND


def test_nothing_begins_in_a_pause() -> None:
    world = World()
    world.queue.pause(5)
    world.queue.add(ref(1))
    world.run(4.9)
    assert world.begun == []

    world.run(0.2)
    assert len(world.begun) == 1


def test_what_is_to_wait_waits_whoever_adds_it() -> None:
    world = World()
    world.queue.add(ref(1))
    world.queue.add_later(ref(1), 5)
    world.queue.add(ref(1))
    world.run(4.9)
    assert world.begun == []

    world.run(0.2)
    assert len(world.begun) == 1


def test_clearing_forgets_everything_and_cancels_what_is_under_way() -> None:
    world = World(1000.0)
    for number in range(9):
        world.queue.add(ref(number))
    world.queue.add_later(ref(9), 1)
    world.run(0.5)
    assert len(world.running) == AT_ONCE
    world.queue.clear()
    assert world.running == {}
    assert len(world.queue) == 0
    world.run(60)

    assert len(world.begun) == AT_ONCE


def test_a_fault_in_an_act_is_logged_and_the_others_go_on() -> None:
    world = World(1000.0)
    world.queue.add(ref(1))
    world.run(0.1)
    with logged() as log:
        world.running[ref(1)].errback(ZeroDivisionError())
    world.queue.add(ref(2))
    world.run(0.1)

    assert "writing to Ingress default/n1 failed" in log.text
    assert [about for _, about in world.begun] == [ref(1), ref(2)]
