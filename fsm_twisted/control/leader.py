"""
Leader election: of all replicas one at a time may write for all of them.

One coroutine reads and writes a Lease (`control.lease` decides); being the leader ends by itself
when no renewal succeeds in time, whatever hangs meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.control.lease import (
    RULE,
    Claim,
    Held,
    Lease,
    Sight,
    Timing,
    decide,
    decode_lease,
    encode_lease,
    look,
    released,
)
from fsm_twisted.control.requests import CONFLICT, Requests
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import ApiError, Forbidden, NotFound

_log = Logger()

_RELEASE_SECONDS: Final = 2.0
_FORBIDDEN_SECONDS: Final = 30.0
_MOST_REFUSALS: Final = 10
# client-go's: candidates that start together drift apart.
_JITTER: Final = 1.2


@attrs.frozen
class Election:
    """The Lease that decides, and who we are: an identity that no other process has."""

    namespace: str
    name: str
    identity: str
    timing: Timing = Timing()


class Leader:
    """
    Stands for election from `start` until `resign`.

    Args:
        election: For which Lease.
        api: The API server.
        clock: The reactor.
        monotonic: Seconds that no one sets back.
        draw: Returns a number of [0, 1), for jitter.
        wall: The time, aware, for people who read the Lease.
    """

    def __init__(
        self,
        election: Election,
        api: Requests,
        *,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        draw: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._election = election
        self._api = api
        self._clock = clock
        self._monotonic = monotonic
        self._draw = draw
        self._wall = wall
        root = f"/apis/coordination.k8s.io/v1/namespaces/{election.namespace}/leases"
        self._collection, self._path = root, f"{root}/{election.name}"
        self._sight: Sight | None = None
        self._is_sight_fresh = False
        self._until = 0.0
        self._was_told = False
        self._expiry: IDelayedCall | None = None
        self._observers: list[Callable[[bool], None]] = []
        self._standing: Deferred[None] | None = None
        self._releasing: Deferred[None] | None = None
        self._complaint = ""
        self._refusals = 0
        self._known_holder = ""

    @property
    def is_leader(self) -> bool:
        """Whether we may act for all replicas at this very moment."""
        return self._monotonic() < self._until

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as we know, ``""`` for nobody."""
        return self._known_holder

    def observe(self, observer: Callable[[bool], None]) -> None:
        """Have *observer* told whenever we become the leader, or are it no longer."""
        self._observers.append(observer)

    def start(self) -> None:
        """Begin to stand for election."""
        self._standing = Deferred.fromCoroutine(self._stand())
        self._standing.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def resign(self) -> Deferred[None]:
        """
        Be the leader no longer, and let another one begin at once.

        Returns:
            Fires when the Lease has been released, or could not be within 2 s; does not fail.
        """
        if self._releasing is None:
            self._releasing = self._resign()
        ended: Deferred[None] = Deferred()

        def pass_on(_: None) -> None:
            # Whoever waits may end the reactor, which is no thing to do to the connection that
            # has just answered.
            self._clock.callLater(0, ended.callback, None)

        self._releasing.addCallback(pass_on)
        return ended

    def stop(self) -> Deferred[None]:
        """End; the same as `resign`."""
        return self.resign()

    def _resign(self) -> Deferred[None]:
        if self._standing is not None:
            self._standing.cancel()
        was_leader, self._until = self.is_leader, 0.0
        self._tell()
        if not was_leader or self._sight is None:
            return succeed(None)
        releasing = Deferred.fromCoroutine(self._release(self._sight.lease))
        releasing.addTimeout(_RELEASE_SECONDS, self._clock)
        releasing.addCallbacks(self._has_released, self._not_released)
        return releasing

    async def _release(self, lease: Lease) -> None:
        try:
            await self._put(released(lease, self._wall()))
        except ApiError as failure:
            if failure.status != CONFLICT:
                raise
            # A renewal was under way: what it has written is ours as well.
            lease = decode_lease(await self._ask("GET", self._path))
            if lease.holder == self._election.identity:
                await self._put(released(lease, self._wall()))

    def _has_released(self, _: None) -> None:
        _log.info("leader: the Lease is released, another replica may have it")

    def _not_released(self, failure: Failure) -> None:
        failure.trap(ApiFailure, TookTooLong, CancelledError)
        _log.warn(
            "leader: the Lease could not be released, it ends by itself: {why}",
            why=failure.getErrorMessage(),
        )

    # Standing

    async def _stand(self) -> None:
        while True:
            try:
                await self._attempt()
                self._mended()
            except CancelledError:
                raise
            except (ApiFailure, TookTooLong) as failure:
                self._failed(failure)
            except Exception:  # noqa: BLE001  a fault of ours must not end the election
                self._is_sight_fresh = False
                _log.failure("leader: the election failed", Failure())
            await deferLater(self._clock, self._pause_seconds())

    def _pause_seconds(self) -> float:
        retry = self._election.timing.retry_seconds
        if self._refusals:
            # A right may come in a moment, or only when a person has read the log.
            seconds = min(retry * 2.0**self._refusals, _FORBIDDEN_SECONDS)
            return seconds * (1 + self._draw())
        return retry if self.is_leader else retry * (1 + _JITTER * self._draw())

    async def _attempt(self) -> None:
        if not (self.is_leader and self._is_sight_fresh):
            await self._read()
        sight, me = self._sight, self._election.identity
        step = decide(sight, me, self._monotonic(), self._wall(), self._election.timing)
        match step:
            case Held(holder, _):
                self._give_up()
                self._note_holder(holder)
            case Claim(lease):
                await self._claim(lease, is_new=sight is None)

    async def _read(self) -> None:
        try:
            document = await self._ask("GET", self._path)
        except NotFound:
            self._sight = None
        else:
            self._see(decode_lease(document))

    async def _claim(self, lease: Lease, *, is_new: bool) -> None:
        sent = self._monotonic()
        self._is_sight_fresh = False
        try:
            written = await (self._post(lease) if is_new else self._put(lease))
        except ApiError as failure:
            if failure.status != CONFLICT and not isinstance(failure, NotFound):
                raise
            # Somebody was faster, or has removed it: look again, at once when we lead.
            if self.is_leader:
                await self._read()
                self._step_down_for_another()
            return
        self._see(decode_lease(written))
        self._is_sight_fresh = True
        self._hold(sent + self._election.timing.deadline_seconds)

    def _step_down_for_another(self) -> None:
        holder = self._sight.lease.holder if self._sight is not None else ""
        if holder not in {"", self._election.identity}:
            self._give_up()
            self._note_holder(holder)

    def _post(self, lease: Lease) -> Deferred[Mapping[str, object]]:
        return self._ask("POST", self._collection, lease)

    def _put(self, lease: Lease) -> Deferred[Mapping[str, object]]:
        return self._ask("PUT", self._path, lease)

    def _ask(
        self, method: str, path: str, lease: Lease | None = None
    ) -> Deferred[Mapping[str, object]]:
        """Make one request that has to be answered while there is time for another one."""
        election = self._election
        body = lease and encode_lease(lease, election.namespace, election.name)
        asking = Deferred.fromCoroutine(self._api.request(method, path, None, body))
        return asking.addTimeout(election.timing.deadline_seconds / 2, self._clock)

    def _see(self, lease: Lease) -> None:
        self._sight = look(self._sight, lease, self._monotonic())

    # Being the leader

    def _hold(self, until: float) -> None:
        self._until = until
        left = until - self._monotonic()
        if left <= 0:
            return
        self._expire_in(left)
        if not self._was_told:
            self._known_holder = self._election.identity
            _log.info("leader: this replica is, as {who}", who=self._election.identity)
        self._tell()

    def _expire_in(self, seconds: float) -> None:
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self._expiry = self._clock.callLater(seconds, self._expired)

    def _expired(self) -> None:
        left = self._until - self._monotonic()
        if left > 0:  # the reactor's clock has jumped
            self._expire_in(left)
            return
        _log.warn("leader: this replica is no longer, the Lease could not be renewed in time")
        self._give_up()

    def _give_up(self) -> None:
        self._until = 0.0
        self._tell()

    def _tell(self) -> None:
        is_leader = self.is_leader
        if not is_leader and self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        if is_leader == self._was_told:
            return
        self._was_told = is_leader
        for observer in self._observers:
            observer(is_leader)

    def _note_holder(self, holder: str) -> None:
        if holder != self._known_holder:
            self._known_holder = holder
            _log.info("leader: another replica is, {who}", who=holder)

    # Trouble, told once

    def _failed(self, failure: ApiFailure | TookTooLong) -> None:
        self._is_sight_fresh = False
        is_forbidden = isinstance(failure, Forbidden)
        self._refusals = min(self._refusals + 1, _MOST_REFUSALS) if is_forbidden else 0
        complaint = RULE if is_forbidden else str(failure) or "no answer in time"
        if complaint == self._complaint:
            return
        self._complaint = complaint
        where = f"Lease {self._election.namespace}/{self._election.name}"
        if is_forbidden:
            _log.warn(
                "leader: we may not use the {lease}: {why}; no status is written without it; add"
                " to a Role in {namespace}: {rule}",
                lease=where,
                why=str(failure),
                namespace=self._election.namespace,
                rule=RULE,
            )
        else:
            _log.warn("leader: {lease}: {why}", lease=where, why=complaint)

    def _mended(self) -> None:
        self._refusals = 0
        if self._complaint:
            self._complaint = ""
            _log.info("leader: the Lease can be used again")
