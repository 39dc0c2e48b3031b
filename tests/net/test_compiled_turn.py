"""Compiled, a turn of the reactor and the hot methods of descriptors do what they do in Python."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from select import EPOLLHUP, EPOLLIN, EPOLLOUT
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet import main

from fsm_twisted.net import descriptor, turn
from fsm_twisted.net.descriptor import Descriptor
from tests.compiled import compiled


@pytest.fixture(scope="module")
def speedups(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compiled("fsm_twisted.net._speedups", tmp_path_factory)


HOT = ("doRead", "write_soon", "flush")
Said = list[tuple[object, ...]]


class Loop:
    """A reactor that does nothing but note what is wanted."""

    def __init__(self, said: Said, *, has_outbox: bool) -> None:
        self._said = said
        if has_outbox:
            self.outbox: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name == "outbox":
            raise AttributeError(name)
        return lambda *_: self._said.append((name,))


class Scripted(Exception):
    """What no socket raises."""


RAISED = (BlockingIOError, ConnectionResetError, Scripted)


class Stream:
    """A stream that gives and takes what its script says."""

    def __init__(self, said: Said, reads: Sequence[Any], sends: Sequence[Any], waits: Any) -> None:
        self._said = said
        self._reads, self._sends = iter(reads), iter(sends)
        self.pending = None if waits is None else self._pending
        self._waits = iter(() if waits is None else waits)

    def _pending(self) -> int:
        return next(self._waits, 0)

    def recv(self, size: int) -> Any:
        self._said.append(("recv", size))
        return self._next(self._reads, BlockingIOError)

    def send(self, data: bytes) -> Any:
        self._said.append(("send", bytes(data)))
        return min(len(data), self._next(self._sends, 1 << 20))

    def _next(self, script: Any, otherwise: Any) -> Any:
        one = next(script, otherwise)
        if isinstance(one, type):
            raise one
        return one

    def end_output(self) -> None:
        self._said.append(("end_output",))


class Socket:
    def fileno(self) -> int:
        return 3

    def setsockopt(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


class Telling(Descriptor):
    """Says what it learns, and does what its script says when bytes come."""

    said: Said
    acts: Any

    def _tell(self, *what: object) -> None:
        self.said.append(what)

    def data_received(self, data: bytes) -> None:
        self._tell("data", data)
        act = next(self.acts, None)
        if act is not None:
            act(self)

    def input_ended(self) -> None:
        self._tell("input ended")

    def closed(self) -> None:
        self._tell("closed")

    def output_drained(self) -> None:
        self._tell("drained")

    def output_progressed(self) -> None:
        self._tell("progressed")

    def output_failed(self) -> None:
        self._tell("failed")


def _raise(_: Telling) -> None:
    raise Scripted


ACTS: dict[str, Callable[[Telling], object]] = {
    "read": lambda each: each.doRead(),
    "soon": lambda each: each.write_soon(b"soon"),
    "soon, nothing": lambda each: each.write_soon(b""),
    "write": lambda each: each.write(b"now"),
    "much": lambda each: each.write_soon(bytes(descriptor.HIGH_WATER_BYTES + 1)),
    "flush": lambda each: each.flush(),
    "drain": lambda each: each.doWrite(),
    "pause": lambda each: each.pauseProducing(),
    "resume": lambda each: each.resumeProducing(),
    "finish": lambda each: each.finish(),
    "close": lambda each: each.close(),
    "abort": lambda each: each.abort(),
    "drop": lambda each: each.drop_output(),
    "small reads": lambda each: setattr(each, "read_bytes", 1),
    "raise": _raise,
}
acts = st.sampled_from(sorted(ACTS))
reads = st.lists(st.sampled_from([b"x", b"yz", b"", *RAISED]), max_size=6)
sends = st.lists(st.sampled_from([0, 1, 3, 1 << 20, *RAISED]), max_size=6)
waits = st.none() | st.lists(st.integers(0, 1), max_size=4)


def told(
    kind: type[Telling], script: dict[str, Any], doing: Sequence[str], *, has_outbox: bool
) -> Said:
    said: Said = []
    loop = Loop(said, has_outbox=has_outbox)
    one = kind(loop)
    one.said, one.acts = said, iter([ACTS[each] for each in script["acts"]])
    one.attach(Socket(), Stream(said, script["reads"], script["sends"], script["waits"]))  # type: ignore[arg-type]
    one.resumeProducing()
    for each in doing:
        try:
            said.append(("returned", ACTS[each](one)))
        except (Scripted, OSError) as failure:
            said.append((type(failure),))
        said.append((one._soon, one._out, one.is_closed, one.is_reading))
        if has_outbox:
            said.append(("waiting", loop.outbox.count(one)))
    return said


@given(
    script=st.fixed_dictionaries(
        {"reads": reads, "sends": sends, "waits": waits, "acts": st.lists(acts, max_size=4)}
    ),
    doing=st.lists(acts, max_size=12),
    has_outbox=st.booleans(),
)
@example(
    script={"reads": [b"x"], "sends": [1, BlockingIOError], "waits": None, "acts": ["soon"]},
    doing=["read", "flush", "soon", "flush"],
    has_outbox=True,
)
@example(
    script={"reads": [b"x", b"yz"], "sends": [], "waits": [1, 1, 0], "acts": []},
    doing=["read", "read"],
    has_outbox=True,
)
def test_hot_methods_do_the_same(
    speedups: Any, script: dict[str, Any], doing: list[str], *, has_outbox: bool
) -> None:
    methods = speedups.hot_methods(Descriptor, main.CONNECTION_LOST)
    assert sorted(methods) == sorted(HOT)
    quick = type("Quick", (Telling,), dict(methods))
    pure = type("Pure", (Telling,), {name: vars(Descriptor)[name] for name in HOT})

    expected = told(pure, script, doing, has_outbox=has_outbox)
    assert told(quick, script, doing, has_outbox=has_outbox) == expected


def test_slots_elsewhere_are_refused(speedups: Any) -> None:
    class Other:
        __slots__ = ("_out",)

    with pytest.raises((TypeError, AttributeError)):
        speedups.hot_methods(Other, None)
    with pytest.raises(TypeError):
        speedups.hot_methods(Descriptor, main.CONNECTION_LOST)["flush"](Other())


class One:
    """Is read and flushed as its script says."""

    def __init__(
        self, name: int, said: Said, script: Sequence[str], world: dict[int, Any]
    ) -> None:
        self.name, self.said, self.world = name, said, world
        self.script = iter(script)

    def doRead(self) -> object:
        return self._do("read")

    def flush(self) -> None:
        self._do("flush")

    def _do(self, what: str) -> object:
        self.said.append((what, self.name))
        act = next(self.script, "")
        if act == "raise":
            raise Scripted
        if act == "interrupt":
            raise KeyboardInterrupt
        if act == "leave":
            self.world.clear()
        return main.CONNECTION_LOST if act == "lost" else None


class Reactor:
    def __init__(self, said: Said, *, is_bad: bool) -> None:
        self.said, self.is_bad = said, is_bad

    def otherwise_ready(self, each: One, fd: int, event: int) -> None:
        self.said.append(("otherwise", each.name, fd, event))

    def disconnect(self, each: One, why: object) -> None:
        self.said.append(("disconnect", each.name, why))

    def read_failed(self, each: One, failure: BaseException) -> None:
        assert failure.__traceback__ is not None
        self.said.append(("read failed", each.name, type(failure)))
        if self.is_bad:
            raise Scripted

    def flush_failed(self, each: One, failure: BaseException) -> None:
        self.said.append(("flush failed", each.name, type(failure)))
        if self.is_bad:
            raise Scripted


scripts = st.lists(
    st.lists(st.sampled_from(["", "raise", "interrupt", "leave", "lost"]), max_size=3), max_size=4
)
events = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLHUP])),
    max_size=6,
)


def turned(by: Any, scripts: Any, events: Any, *, is_bad: bool) -> Said:
    said: Said = []
    world: dict[int, One] = {}
    for name, script in enumerate(scripts):
        world[name] = One(name, said, script, world)
    reactor = Reactor(said, is_bad=is_bad)
    outbox = list(world.values())
    try:
        by.serve(list(events), world, reactor)
        by.flush_all(outbox, reactor)
    except Scripted:
        said.append(("raised",))
    return [*said, ("left", len(outbox))]


@given(scripts=scripts, events=events, is_bad=st.booleans())
def test_a_turn_is_the_same(speedups: Any, scripts: Any, events: Any, *, is_bad: bool) -> None:
    expected = turned(turn, scripts, events, is_bad=is_bad)
    assert turned(speedups, scripts, events, is_bad=is_bad) == expected


def test_nothing_is_kept_or_given_away(speedups: Any) -> None:
    """References: as many afterwards as before, whatever has happened in between."""
    methods = speedups.hot_methods(Descriptor, main.CONNECTION_LOST)
    quick = type("Quick", (Telling,), dict(methods))
    data, lost = b"some bytes" * 3, main.CONNECTION_LOST
    watched: list[Any] = [data, lost, *RAISED]
    scripts: list[Any] = [
        ([data], [1 << 20], ["read", "soon", "flush"]),
        ([RAISED[0], RAISED[1]], [RAISED[0], 1], ["read", "read", "soon", "flush"]),
        ([RAISED[2]], [RAISED[2]], ["read", "soon", "flush"]),
        ([b""], [RAISED[1]], ["soon", "flush", "read"]),
    ]

    def once() -> None:
        for reads, sends, doing in scripts:
            script = {"reads": reads, "sends": sends, "waits": None, "acts": []}
            told(quick, script, doing, has_outbox=True)
        turned(
            speedups, [["lost", "raise"], ["raise"]], [(0, EPOLLIN), (1, EPOLLIN)], is_bad=False
        )

    once()
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(50):
        once()
    gc.collect()

    assert [sys.getrefcount(each) for each in watched] == before
