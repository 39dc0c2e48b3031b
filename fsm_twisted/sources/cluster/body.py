"""Bodies: of a request; of an answer, whole with a limit or piece by piece as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from fsm_twisted.sources.cluster.access import ApiFailure


class Unreachable(ApiFailure):
    """The API server gives no answer, or not the whole of it."""


@implementer(IBodyProducer)
class Text:
    """The body of a request: short, so it is written at once."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.length = len(text)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802  Twisted's name
        """Write everything."""
        consumer.write(self._text)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to wait with."""

    def resumeProducing(self) -> None:
        """Nothing is left to go on with."""

    def stopProducing(self) -> None:
        """Nothing is left to end."""


class _Body(Protocol):
    """Hands on what arrives, and gives up when nothing does."""

    def __init__(
        self, clock: IReactorTime, silence_seconds: float, receive: Callable[[bytes], None]
    ) -> None:
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._receive = receive
        self._timer: IDelayedCall | None = None
        self._is_over = False
        self.over: Deferred[None] = Deferred(lambda _: self._close())

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(self._silence_seconds, self._silent)

    def dataReceived(self, data: bytes) -> None:
        if self._is_over or self._timer is None:
            return
        self._timer.reset(self._silence_seconds)
        try:
            self._receive(data)
        except Exception:  # noqa: BLE001  whatever it is, whoever waits for the end must know
            self._fail(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._is_over:
            return
        self._close()
        # Without a length, the end of the connection is the end of the body.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.over.callback(None)
        else:
            self.over.errback(Unreachable(f"the answer broke off: {explain(reason)}"))

    def _silent(self) -> None:
        self._timer = None
        seconds = round(self._silence_seconds)
        self._fail(Failure(Unreachable(f"nothing was sent for {seconds} s")))

    def _fail(self, failure: Failure) -> None:
        self._close()
        self.over.errback(failure)

    def _close(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.transport is not None:
            self.transport.loseConnection()


def stream_body(
    response: IResponse,
    clock: IReactorTime,
    silence_seconds: float,
    receive: Callable[[bytes], None],
) -> Deferred[None]:
    """
    Give every piece of the body to *receive* as it comes.

    Returns:
        Fires when the body has ended, possibly before this returns. Fails with `Unreachable`
        when it breaks off or nothing comes for *silence_seconds*, and with what *receive*
        raises. Cancelling it closes the connection.
    """
    body = _Body(clock, silence_seconds, receive)
    response.deliverBody(body)
    return body.over


def collect_body(
    response: IResponse, clock: IReactorTime, silence_seconds: float, limit_bytes: int
) -> Deferred[bytes]:
    """Return the whole body, as `stream_body` does; `Unreachable` beyond the limit as well."""
    pieces: list[bytes] = []
    room = limit_bytes

    def receive(data: bytes) -> None:
        nonlocal room
        room -= len(data)
        if room < 0:
            raise Unreachable(f"the answer has more than {limit_bytes} bytes")
        pieces.append(data)

    over = stream_body(response, clock, silence_seconds, receive)
    return over.addCallback(lambda _: b"".join(pieces))


def explain(failure: Failure) -> str:
    """Say in words for people why a connection failed: of reasons, the first led to the others."""
    reasons = getattr(failure.value, "reasons", None)
    if isinstance(reasons, list) and reasons:
        return explain(reasons[0])
    text = str(failure.value).strip().rstrip(".")
    return text or type(failure.value).__name__
