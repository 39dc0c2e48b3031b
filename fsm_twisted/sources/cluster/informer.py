"""
Following one collection: list, watch, and what to do when either fails.

The machine is one coroutine, its state is where it stands; `Informer.phase` tells it to others.
Deferreds make every step cancellable, so stopping is cancelling.

| phase | on | goes to |
| --- | --- | --- |
| idle | start | listing |
| listing | the last page | watching, from the list's own version |
| watching | an event or a bookmark | watching, its version remembered |
| watching | end of the stream | watching, at once if it lived for 5 s |
| listing, watching | 410, or a line that is no event | listing, at once the first time |
| listing, watching | 404 | listing another version of the kind |
| any | another failure, silence | waiting, then what failed again |
| any | stop | stopped |

What was known stays known all the while: a list takes its place in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, Generic, Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, ApiError, Gone, NotFound
from fsm_twisted.sources.cluster.backoff import Backoff
from fsm_twisted.sources.cluster.kinds import Kind
from fsm_twisted.sources.cluster.stream import WatchBroken, WatchEvent
from fsm_twisted.sources.cluster.tally import Tally

T = TypeVar("T")

_log = Logger()

# A new stream brings a new token, so streams are short enough for tokens of ten minutes.
SHORTEST_STREAM_SECONDS: Final = 240
LONGEST_STREAM_SECONDS: Final = 300
_SHORT_LIFE_SECONDS: Final = 5.0
_HEALTHY_SECONDS: Final = 60.0
# After so many refusals in a row the version itself may be what is refused.
_REFUSALS_BEFORE_LIST: Final = 3


class Phase(Enum):
    """What an informer is doing."""

    IDLE = "idle"
    LISTING = "listing"
    WATCHING = "watching"
    WAITING = "waiting"
    STOPPED = "stopped"


@attrs.frozen
class Collection:
    """All objects of a kind, in one namespace or (``""``) in all; a selector chooses of them."""

    kind: Kind
    namespace: str = ""
    selector: str = ""

    def __str__(self) -> str:
        """Return the form that people read."""
        return f"{self.kind.plural} of {self.namespace}" if self.namespace else self.kind.plural


class Sink(Protocol[T]):
    """Who takes the objects of one collection."""

    def read(self, item: Mapping[str, object], version: str) -> T:
        """Make of one item, in this version of its kind, what is to be kept."""

    def replace(self, read: list[T]) -> None:
        """Take what was read as all that there is."""

    def apply(self, event: WatchEvent, version: str) -> None:
        """Take one ADDED, MODIFIED or DELETED."""

    def trouble(self, failure: ApiFailure | None) -> None:
        """Know that the collection cannot be followed just now, or (None) that it is again."""


class Informer(Generic[T]):
    """
    Follows one collection from `start` until `stop`.

    Args:
        collection: What to follow.
        api: The API server.
        sink: Takes what there is.
        clock: The reactor.
        draw: Returns a number of [0, 1), for jitter.
    """

    def __init__(
        self,
        collection: Collection,
        api: Api,
        sink: Sink[T],
        *,
        clock: IReactorTime,
        draw: Callable[[], float],
    ) -> None:
        self._collection = collection
        self._api = api
        self._sink = sink
        self._clock = clock
        self._draw = draw
        self._backoff = Backoff(draw)
        self._api_version = 0
        self._version = ""
        self._failures = 0
        self._losses = 0
        self._following: Deferred[None] | None = None
        self.tally = Tally()
        self.phase = Phase.IDLE

    def start(self) -> None:
        """Begin, once."""
        self._following = Deferred.fromCoroutine(self._follow())
        self._following.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def stop(self) -> Deferred[None]:
        """End; fires when nothing is under way any more, which is at once."""
        self.phase = Phase.STOPPED
        following, self._following = self._following, None
        if following is None:
            following = Deferred()
            following.callback(None)
        following.cancel()
        return following

    async def _follow(self) -> None:
        # Cancelling raises here, unless something under way takes it for a failure of its own.
        while self.phase is not Phase.STOPPED:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except CancelledError:
                raise
            except ApiFailure as failure:
                await self._recover(failure)
            except Exception:  # noqa: BLE001  a fault of ours must not end the following
                _log.failure("following {what} failed", Failure(), what=str(self._collection))
                self._version = ""
                await self._wait(self._backoff.next_seconds())

    async def _list(self) -> None:
        self.phase = Phase.LISTING
        kind = self._collection.kind
        version = kind.versions[self._api_version]
        path = kind.path(version, self._collection.namespace)
        read: list[T] = []
        limit, token = kind.page_limit, ""
        selector = self._collection.selector
        while True:
            try:
                page = await self._api.list_page(path, limit=limit, token=token, selector=selector)
            except Gone:
                if not token:
                    raise
                # Too slow for pages: everything at once, consistent in itself.
                limit, token = 0, ""
                read.clear()
                continue
            read += [self._sink.read(item, version) for item in page.items]
            token = page.token
            if not token:
                break
        self.tally.lists += 1
        self.tally.heard_at = self._clock.seconds()
        self._sink.replace(read)
        self._version = page.version
        self._sink.trouble(None)

    async def _watch(self) -> None:
        self.phase = Phase.WATCHING
        kind = self._collection.kind
        version = kind.versions[self._api_version]
        span = LONGEST_STREAM_SECONDS - SHORTEST_STREAM_SECONDS
        began = self._clock.seconds()
        try:
            watch = await self._api.watch(
                kind.path(version, self._collection.namespace),
                version=self._version,
                seconds=SHORTEST_STREAM_SECONDS + round(span * self._draw()),
                selector=self._collection.selector,
            )
            self.tally.watches += 1
            self._sink.trouble(None)
            await watch.follow(self._take)
        finally:
            lived = self._clock.seconds() - began
            if lived >= _HEALTHY_SECONDS:
                self._backoff.reset()
            if lived >= _SHORT_LIFE_SECONDS:
                self._failures = self._losses = 0
        if lived < _SHORT_LIFE_SECONDS:
            await self._wait(self._backoff.next_seconds())

    def _take(self, event: WatchEvent) -> None:
        self.tally.heard_at = self._clock.seconds()
        if event.type in {"ADDED", "MODIFIED", "DELETED"}:
            self._sink.apply(event, self._collection.kind.versions[self._api_version])
        self._version = event.version or self._version

    async def _recover(self, failure: ApiFailure) -> None:
        """Decide what to do about *failure*, and wait as long as is right."""
        self._failures += 1
        self.tally.failed(failure)
        if isinstance(failure, (Gone, WatchBroken)):
            self._version = ""
            self._losses += 1
            if self._losses == 1:
                # However long the API server was away, this is its first answer: it is back.
                return
        if isinstance(failure, NotFound):
            self._version = ""
            versions = len(self._collection.kind.versions)
            self._api_version = (self._api_version + 1) % versions
            if self._failures < versions:
                return
        asked = failure.retry_seconds if isinstance(failure, ApiError) else None
        is_refused = isinstance(failure, ApiError) and asked is None
        if is_refused and self._failures >= _REFUSALS_BEFORE_LIST:
            self._version = ""
        self._sink.trouble(failure)
        await self._wait(self._backoff.next_seconds() + (asked or 0.0))

    async def _wait(self, seconds: float) -> None:
        if self.phase is Phase.STOPPED:
            return
        self.phase = Phase.WAITING
        await deferLater(self._clock, seconds)
