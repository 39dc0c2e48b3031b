"""What all workers know of their endpoints, asked for when a person looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from fsm_twisted.observe.live import Endpoints, Piece, added
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.telemetry import facts_of
from fsm_twisted.workers.channel import Channel, Kind
from fsm_twisted.workers.questions import Asked, Questions


class Shower:
    """
    A worker's side: shows its endpoints when it is asked, a piece a turn.

    Args:
        reactor: The worker's.
        channel: To the master.
        plane: Whose endpoints they are.
    """

    def __init__(self, reactor: Any, channel: Channel, plane: DataPlane) -> None:
        self._reactor = reactor
        self._channel = channel
        self._plane = plane

    def ask(self, question: bytes) -> None:
        """Begin to answer."""
        self._show(int(question), facts_of(self._plane))

    def _show(self, number: int, pieces: Iterator[Endpoints]) -> None:
        if self._channel.is_closed:
            return
        piece = next(pieces, None)
        if piece is None:
            self._channel.send(Kind.SHOWN, Piece(number, is_last=True).to_bytes())
            return
        if piece:
            self._channel.send(Kind.SHOWN, Piece(number, piece).to_bytes())
        self._reactor.callLater(0, self._show, number, pieces)


class Looks:
    """
    The master's side.

    Args:
        reactor: The master's.
    """

    def __init__(self, reactor: Any) -> None:
        self._questions = Questions(reactor, Kind.SHOW)
        self._found: dict[int, list[Endpoints]] = {}

    def watch(self, posts: Iterable[Asked]) -> None:
        """Ask these."""
        self._questions.watch(posts)

    def look(self) -> Deferred[Endpoints]:
        """
        Ask every worker for what it knows of its endpoints.

        Returns:
            Fires with the sum, see `Questions.ask`; a worker that is silent is left out.
        """
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> Endpoints:
        number = self._questions.number + 1
        self._found[number] = []
        try:
            await self._questions.ask()
            return added(self._found[number])
        finally:
            del self._found[number]

    def received(self, number: int, payload: bytes) -> None:
        """
        Take a piece from worker *number*.

        Raises:
            LiveError: It is none.
        """
        piece = Piece.from_bytes(payload)
        if piece.number in self._found:
            self._found[piece.number].append(piece.endpoints)
        if piece.is_last:
            self._questions.answered(number, piece.number)

    def gone(self, number: int) -> None:
        """Wait no longer for worker *number*."""
        self._questions.gone(number)
