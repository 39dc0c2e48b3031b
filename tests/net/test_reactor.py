"""Our reactor does what Twisted's does; each statement is tried on both."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from twisted.internet.epollreactor import EPollReactor

from fsm_twisted.net.reactor import FsmReactor
from tests.net.turning import (
    Producer,
    Recorder,
    Turning,
    attached,
    logged,
    narrow_pair,
    turning,
)


@pytest.fixture(params=[FsmReactor, EPollReactor])
def world(request: pytest.FixtureRequest) -> Turning:
    return turning(request.param)


class _Failing(Recorder):
    def data_received(self, data: bytes) -> None:
        raise ValueError("a fault of ours")


class _Fatal(Recorder):
    def data_received(self, data: bytes) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [_Failing, _Fatal])
def test_an_exception_is_logged_and_costs_that_descriptor_alone(
    world: Turning, kind: type[Recorder]
) -> None:
    with (
        logged() as log,
        attached(world, narrow_pair(), kind) as (bad, bad_peer),
        attached(world, narrow_pair()) as (good, good_peer),
    ):
        bad_peer.sendall(b"x")
        good_peer.sendall(b"x")
        world.settle()

        assert bad.told == ["closed"]
        assert good.told == []
        assert good.received == [b"x"]
        assert [type(each) for each in log.failures] in ([ValueError], [KeyboardInterrupt])


def test_a_lost_connection_closes_without_a_word_in_the_log(world: Turning) -> None:
    with logged() as log, attached(world, narrow_pair()) as (descriptor, peer):
        # Bytes that nobody reads make the close of a local socket a reset.
        descriptor.write(b"unread")
        peer.close()
        world.settle()

        assert descriptor.told == ["closed"]
        assert log.failures == []


class _Killer(Recorder):
    victim: Recorder

    def data_received(self, data: bytes) -> None:
        self.victim.close()


def test_one_that_was_closed_by_another_in_the_same_poll_is_not_served(world: Turning) -> None:
    with (
        attached(world, narrow_pair(), _Killer) as (one, one_peer),
        attached(world, narrow_pair(), _Killer) as (two, two_peer),
    ):
        assert isinstance(one, _Killer)
        assert isinstance(two, _Killer)
        one.victim, two.victim = two, one
        one_peer.sendall(b"x")
        two_peer.sendall(b"x")
        world.settle()

        assert sorted([one.told, two.told]) == [[], ["closed"]]


def test_readable_and_writable_at_once_does_both(world: Turning) -> None:
    with attached(world, narrow_pair()) as (descriptor, peer):
        producer = Producer()
        descriptor.register_producer(producer)
        descriptor.write(b"x" * 1_000_000)
        peer.sendall(b"hello")
        world.until(lambda: not peer.recv(65536) or not descriptor.has_output)

        assert descriptor.received == [b"hello"]
        assert producer.asked == ["pause", "resume"]


def test_a_peer_that_hangs_up_while_we_only_write_is_noticed(world: Turning) -> None:
    with attached(world, narrow_pair()) as (descriptor, peer):
        descriptor.pauseProducing()
        descriptor.write(b"x" * 1_000_000)
        peer.close()
        world.until(lambda: descriptor.is_closed)

        assert descriptor.told == ["closed"]


def test_timers_and_sockets_take_turns(world: Turning) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with attached(world, (ours, theirs)) as (descriptor, peer):
        world.reactor.callLater(0, peer.sendall, b"later")
        world.until(lambda: descriptor.received)

        assert descriptor.received == [b"later"]


def in_python(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.stderr == ""
    return ended.stdout.strip()


def test_install_makes_it_the_reactor_of_the_process() -> None:
    assert in_python(
        "from fsm_twisted.net.reactor import install\n"
        "done = install()\n"
        "from twisted.internet import reactor\n"
        "print(done, type(reactor).__name__)"
    ) == ("True FsmReactor")


def test_another_reactor_that_was_there_before_stays() -> None:
    assert in_python(
        "from twisted.internet import selectreactor; selectreactor.install()\n"
        "from fsm_twisted.net.reactor import install\n"
        "done = install()\n"
        "from twisted.internet import reactor\n"
        "print(done, type(reactor).__name__)"
    ) == ("False SelectReactor")


def test_a_twisted_with_other_internals_keeps_its_own_reactor() -> None:
    assert in_python(
        "from twisted.internet.posixbase import _PollLikeMixin\n"
        "del _PollLikeMixin._doReadOrWrite\n"
        "from fsm_twisted.net.reactor import install\n"
        "done = install()\n"
        "from twisted.internet import reactor\n"
        "print(done, type(reactor).__name__)"
    ) == ("False EPollReactor")


class _Answering(Recorder):
    """Answers every read at the end of the turn."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.write_soon(b"<" + data)
        if data == b"more":
            self.write(b">")
        if data == b"last":
            self.finish()


@pytest.mark.parametrize(
    ("asked", "answered"), [(b"one", b"<one"), (b"more", b"<more>"), (b"last", b"<last")]
)
def test_what_is_sent_soon_is_sent_in_its_order_and_before_an_end(
    world: Turning, asked: bytes, answered: bytes
) -> None:
    with attached(world, narrow_pair(), _Answering) as (_, peer):
        peer.sendall(asked)
        world.settle()

        assert peer.recv(100) == answered


def test_what_a_timed_call_sends_soon_does_not_wait_for_the_next_event(world: Turning) -> None:
    with attached(world, narrow_pair()) as (descriptor, peer):
        world.reactor.callLater(0, descriptor.write_soon, b"tick")
        world.settle()

        assert peer.recv(100) == b"tick"


def test_all_that_is_ready_is_read_before_anything_is_sent_soon() -> None:
    world = turning(FsmReactor)
    order: list[str] = []

    class Telling(Recorder):
        def data_received(self, data: bytes) -> None:
            order.append("read")
            self.write_soon(data)

        def flush(self) -> None:
            order.append("sent")
            super().flush()

    with (
        attached(world, narrow_pair(), Telling) as (_, one),
        attached(world, narrow_pair(), Telling) as (_, other),
    ):
        one.sendall(b"x")
        other.sendall(b"y")
        world.settle()

        assert order == ["read", "read", "sent", "sent"]
        assert (one.recv(9), other.recv(9)) == (b"x", b"y")


def test_what_was_to_be_sent_soon_is_not_sent_after_an_abort() -> None:
    world = turning(FsmReactor)

    class Aborting(Recorder):
        def data_received(self, data: bytes) -> None:
            self.write_soon(data)
            self.abort()

    with attached(world, narrow_pair(), Aborting) as (descriptor, peer):
        peer.sendall(b"x")
        world.settle()

        assert descriptor.told == ["closed"]
        assert peer.recv(9) == b""


def test_a_fault_while_sending_costs_that_descriptor_alone() -> None:
    world = turning(FsmReactor)

    class Soon(Recorder):
        def data_received(self, data: bytes) -> None:
            self.write_soon(data)

    class Faulty(Soon):
        def flush(self) -> None:
            raise ValueError("a fault of ours")

    with (
        logged() as log,
        attached(world, narrow_pair(), Faulty) as (bad, bad_peer),
        attached(world, narrow_pair(), Soon) as (good, good_peer),
    ):
        bad_peer.sendall(b"x")
        good_peer.sendall(b"y")
        world.settle()

        assert bad.told == ["closed"]
        assert good.told == []
        assert good_peer.recv(9) == b"y"
        assert [type(each) for each in log.failures] == [ValueError]
