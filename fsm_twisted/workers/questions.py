"""Questions of the master that every worker answers in its own time, or does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

import attrs
from twisted.internet.defer import Deferred

from fsm_twisted.workers.channel import Kind

ANSWER_SECONDS: Final = 2.0


class Asked(Protocol):
    """A worker's post, as far as it matters here."""

    number: int

    @property
    def is_held(self) -> bool:
        """Whether there is a worker."""

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        """Send it a message."""


@attrs.define(eq=False)
class _Wait:
    question: int
    missing: set[int]
    answer: Deferred[int]


class Questions:
    """
    Asks one kind of question, and knows who has still to answer.

    Args:
        reactor: The master's.
        kind: Of the message that asks; its payload is the question's number in decimal.
    """

    def __init__(self, reactor: Any, kind: Kind) -> None:
        self._reactor = reactor
        self._kind = kind
        self._posts: tuple[Asked, ...] = ()
        self._number = 0
        self._waits: list[_Wait] = []

    def watch(self, posts: Iterable[Asked]) -> None:
        """Ask these."""
        self._posts = tuple(posts)

    @property
    def number(self) -> int:
        """The number of the newest question."""
        return self._number

    def ask(self) -> Deferred[int]:
        """
        Ask every worker.

        Returns:
            Fires with the question's number when all have answered, little more than
            `ANSWER_SECONDS` later at most. It does not fail. Cancelling it ends the wait with
            `CancelledError`.
        """
        held = [post for post in self._posts if post.is_held]
        self._number += 1
        for post in held:
            post.tell(self._kind, b"%d" % self._number)
        wait = _Wait(self._number, {post.number for post in held}, Deferred(self._forget))
        self._waits.append(wait)
        limit = self._reactor.callLater(ANSWER_SECONDS, self._end, wait)
        wait.answer.addBoth(_passing(limit))
        self._settle()
        return wait.answer

    def answered(self, post: int, question: int) -> None:
        """Learn that the worker of *post* has answered this question and all before it."""
        for wait in self._waits:
            if question >= wait.question:
                wait.missing.discard(post)
        self._settle()

    def gone(self, post: int) -> None:
        """Learn that the worker of *post* answers no more."""
        for wait in self._waits:
            wait.missing.discard(post)
        self._settle()

    def _settle(self) -> None:
        for wait in tuple(self._waits):
            if not wait.missing:
                self._end(wait)

    def _end(self, wait: _Wait) -> None:
        if wait in self._waits:
            self._waits.remove(wait)
            wait.answer.callback(wait.question)

    def _forget(self, answer: Deferred[int]) -> None:
        self._waits = [each for each in self._waits if each.answer is not answer]


def _passing(limit: Any) -> Any:
    def passed(result: Any) -> Any:
        if limit.active():
            limit.cancel()
        return result

    return passed
