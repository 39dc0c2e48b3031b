"""The credentials at hand: single flight, renewal, and what happens when they cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from fsm_twisted.sources.cluster.access import Access, CredentialsError
from fsm_twisted.sources.cluster.keeper import Keeper
from tests.net.turning import logged

ACCESS = Access("https://api.example", authorization=b"Bearer 1", good_for_seconds=60)
OTHER = attrs.evolve(ACCESS, authorization=b"Bearer 2")


class Kept:
    """A keeper whose threads are finished by hand, so it is its own reader."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.reads: list[Deferred[Access]] = []
        self.forgotten = 0
        self.keeper = Keeper(
            self, clock=self.clock, in_thread=self.in_thread, wall=self.clock.seconds
        )

    def in_thread(self, read: Callable[[], Access]) -> Deferred[Access]:
        assert read == self.read
        self.reads.append(Deferred())
        return self.reads[-1]

    def read(self) -> Access:
        raise AssertionError("not in this thread")

    def check(self) -> None:
        raise CredentialsError("no")

    def forget(self) -> None:
        self.forgotten += 1

    def stop(self) -> None:
        pass

    def get(self) -> list[object]:
        return outcome(self.keeper.get())

    def answer(self, result: Access | str) -> None:
        if isinstance(result, str):
            self.reads[-1].errback(CredentialsError(result))
        else:
            self.reads[-1].callback(result)


def outcome(asked: Deferred[Access]) -> list[object]:
    """Return a list that holds the answer, or the text of the failure, when it is there."""
    found: list[object] = []

    def failed(failure: Failure) -> None:
        found.append(str(failure.value))

    asked.addCallbacks(found.append, failed)
    return found


def test_all_who_ask_at_once_wait_for_one_reading() -> None:
    kept = Kept()
    asked = [kept.get() for _ in range(5)]
    assert asked == [[]] * 5
    kept.answer(ACCESS)

    assert asked == [[ACCESS]] * 5
    assert len(kept.reads) == 1


def test_who_stops_waiting_stops_nobody_else() -> None:
    kept = Kept()
    leaving = kept.keeper.get()
    left = outcome(leaving)
    staying = kept.get()
    leaving.cancel()
    kept.answer(ACCESS)

    assert staying == [ACCESS]
    assert left != [ACCESS]


def test_credentials_are_read_again_when_they_are_good_no_longer() -> None:
    kept = Kept()
    kept.get()
    kept.answer(ACCESS)
    kept.clock.advance(59)
    assert kept.get() == [ACCESS]
    kept.clock.advance(2)
    asked = kept.get()
    kept.answer(OTHER)

    assert asked == [OTHER]


def test_what_cannot_be_read_anew_is_used_as_long_as_it_lasts() -> None:
    kept = Kept()
    kept.get()
    kept.answer(attrs.evolve(ACCESS, expires=100))
    kept.clock.advance(61)
    asked = kept.get()
    with logged() as log:
        kept.answer("the token file is empty")
    assert asked == [attrs.evolve(ACCESS, expires=100)]
    assert "the token file is empty" in log.text

    kept.clock.advance(40)
    asked = kept.get()
    kept.answer("the token file is empty")
    assert asked == ["the token file is empty"]


def test_a_failure_is_not_asked_for_again_at_once() -> None:
    kept = Kept()
    kept.get()
    kept.answer("no")
    assert kept.get() == ["no"]
    assert len(kept.reads) == 1
    kept.clock.advance(6)
    assert kept.get() == []


def test_a_refused_access_is_read_anew_and_nothing_remembered_is_used() -> None:
    kept = Kept()
    kept.get()
    kept.answer(ACCESS)
    renewed = outcome(kept.keeper.renew(ACCESS))
    assert (renewed, kept.forgotten) == ([], 1)
    kept.answer(OTHER)
    assert renewed == [OTHER]


def test_what_somebody_else_has_renewed_is_not_renewed_again() -> None:
    kept = Kept()
    kept.get()
    kept.answer(ACCESS)
    asked = [outcome(kept.keeper.renew(ACCESS)) for _ in range(3)]
    kept.answer(OTHER)
    assert asked == [[OTHER]] * 3
    assert outcome(kept.keeper.renew(ACCESS)) == [OTHER]
    assert (len(kept.reads), kept.forgotten) == (2, 1)


def test_a_renewal_that_brings_nothing_new_is_not_tried_again_at_once() -> None:
    kept = Kept()
    kept.get()
    kept.answer(ACCESS)
    kept.keeper.renew(ACCESS)
    kept.answer(ACCESS)
    assert outcome(kept.keeper.renew(ACCESS)) == [ACCESS]
    kept.clock.advance(6)
    assert outcome(kept.keeper.renew(ACCESS)) == []


def test_a_fault_of_ours_is_logged_and_told_in_words() -> None:
    kept = Kept()
    asked = kept.get()
    with logged() as log:
        kept.reads[-1].errback(ZeroDivisionError())

    assert asked == ["reading the credentials failed; see the log"]
    assert "ZeroDivisionError" in str(log.events[0]["log_failure"])


def test_checking_is_the_readers() -> None:
    with pytest.raises(CredentialsError):
        Kept().keeper.check()
