"""
``status.loadBalancer`` of our Ingresses: where clients reach them (``kubectl get ingress``).

The leader writes it, once every worker serves the Ingress, and only where it says something else.
It is taken away from Ingresses that are no longer ours, and from no others: not when the leader
changes, not when the program ends, not while the address is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.requests import APPLY, CONFLICT, Requests
from fsm_twisted.control.write_queue import WriteQueue
from fsm_twisted.objects.decode_status import Address, LoadBalancerStatus, decode_status
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import ApiError, Forbidden, NotFound
from fsm_twisted.sources.cluster.backoff import Backoff
from fsm_twisted.sources.cluster.kinds import INGRESS

_log = Logger()

RULE: Final = '{apiGroups: ["networking.k8s.io"], resources: ["ingresses/status"], verbs: [patch]}'
# An Ingress that has just left us may be on its way back, its new version not compiled yet.
_FAREWELL_SECONDS: Final = 1.0
_LONGEST_QUARREL_SECONDS: Final = 300.0
_LONGEST_SHUT_SECONDS: Final = 60.0
_FIRST_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_PASSING: Final = "passing"
_FORBIDDEN: Final = "forbidden"


@attrs.frozen
class Change:
    """What is to be written into a status; no addresses take ours away."""

    uid: str
    addresses: tuple[Address, ...]


@attrs.define
class Quarrel:
    """Somebody else writes the same status: how often that was, and for how long we wait."""

    times: int = 0
    seconds: float = 1.0


@attrs.frozen
class Shut:
    """A namespace where we may not write: how often we were told, and when to ask again."""

    times: int
    until: float


_OPEN: Final = Shut(0, 0.0)


class StatusWriter:
    """
    Writes what should be there; told of everything by others.

    Args:
        api: The API server.
        manager: Our name as a field manager: it tells our entries from those of others.
        clock: The reactor.
        draw: Returns a number of [0, 1), for jitter.
        is_leader: Whether we may write at this moment.

    Attributes:
        counts: Requests by result: ``ok``, ``failed``.
    """

    def __init__(
        self,
        api: Requests,
        manager: str,
        *,
        clock: IReactorTime,
        draw: Callable[[], float],
        is_leader: Callable[[], bool],
    ) -> None:
        self._api = api
        self._manager = manager
        self._clock = clock
        self._is_leader = is_leader
        self._queue = WriteQueue(clock, self._act)
        self._backoff = Backoff(draw)
        self._draw = draw
        self._addresses: tuple[Address, ...] = ()
        self._seen: dict[ObjectRef, LoadBalancerStatus] = {}
        self._served: tuple[Ingress, ...] = ()
        self._known: Mapping[tuple[str, str], Ingress] | None = None
        self._ours: dict[ObjectRef, str] = {}
        self._written: dict[ObjectRef, Change] = {}
        self._quarrels: dict[ObjectRef, Quarrel] = {}
        self._complaints: set[str] = set()
        self._shut_namespaces: dict[str, Shut] = {}
        self.counts: Counter[str] = Counter(ok=0, failed=0)

    @property
    def behind(self) -> int:
        """How many objects wait to be written."""
        return len(self._queue)

    # What others tell.

    def lead(self, is_leader: bool) -> None:  # noqa: FBT001  an observer of the leader
        """Begin to write, or stop."""
        self._queue.clear()
        self._written.clear()
        self._quarrels.clear()
        self._shut_namespaces.clear()
        if is_leader:
            self._check_all()

    def publish(self, addresses: tuple[Address, ...]) -> None:
        """Take the addresses of the data plane; while there are none, nothing is changed."""
        if addresses != self._addresses:
            self._addresses = addresses
            self._quarrels.clear()
            self._queue.clear()
            self._check_all()

    def see(self, ref: ObjectRef, status: LoadBalancerStatus | None) -> None:
        """Take the status of an Ingress as it is now, None when it is gone."""
        if status is None:
            self._seen.pop(ref, None)
            self._written.pop(ref, None)
            self._quarrels.pop(ref, None)
        else:
            self._seen[ref] = status
            self._check(ref)

    def serve(self, outcome: Outcome) -> None:
        """Take what every worker serves now."""
        ours, before = outcome.compiled.ours, self._served
        is_first = self._known is None
        self._known = outcome.contents.inventory.ingresses
        if ours == before and not is_first:
            return
        self._served = ours
        if ours is before and not is_first:
            return
        known, kept = {id(each) for each in before}, {id(each) for each in ours}
        gone = [ref_of(each) for each in before if id(each) not in kept]
        new = {ref_of(each): each.metadata.uid for each in ours if id(each) not in known}
        for ref in gone:
            self._ours.pop(ref, None)
        self._ours.update(new)
        if is_first:
            self._check_all()
        else:
            for ref in (*gone, *new):
                self._check(ref)

    def stop(self) -> None:
        """Write nothing any more."""
        self._queue.clear()

    # What follows from it.

    def _check_all(self) -> None:
        for ref in self._seen:
            self._check(ref)

    def _check(self, ref: ObjectRef) -> None:
        change = self._change(ref)
        if change is None:
            return
        if not change.addresses:
            self._queue.add_later(ref, _FAREWELL_SECONDS)
        elif self._written.get(ref) == change:
            quarrel = self._quarrels.setdefault(ref, Quarrel())
            self._queue.add_later(ref, quarrel.seconds * (1 + self._draw()))
        else:
            self._queue.add(ref, is_urgent=not self._seen[ref].addresses)

    def _change(self, ref: ObjectRef) -> Change | None:
        """Return what should be written now."""
        status = self._seen.get(ref)
        if status is None or self._known is None or not self._is_leader():
            return None
        if ref in self._ours:
            is_right = status.addresses == self._addresses
            if is_right or not self._addresses or self._ours[ref] != status.uid:
                return None
            return Change(status.uid, self._addresses)
        # Of namespaces that are not ours to follow nothing is known, and nothing is touched.
        known = self._known.get((ref.namespace, ref.name))
        is_foreign = known is not None and known.metadata.uid == status.uid
        return Change(status.uid, ()) if is_foreign and self._manager in status.owners else None

    def _act(self, ref: ObjectRef) -> Deferred[None] | None:
        change = self._change(ref)
        if change is None:
            return None
        shut = self._shut_namespaces.get(ref.namespace, _OPEN)
        if (wait := shut.until - self._clock.seconds()) > 0:
            self._queue.add_later(ref, wait)
            return None
        if self._written.get(ref) == change:
            self._note_quarrel(ref)
        return Deferred.fromCoroutine(self._write(ref, change))

    async def _write(self, ref: ObjectRef, change: Change) -> None:
        path = f"{INGRESS.path('v1', ref.namespace, ref.name)}/status"
        query = {"fieldManager": self._manager, "force": "true"}
        body = apply_body(INGRESS.api_version("v1"), ref, change.uid, change.addresses)
        try:
            answer = await self._api.request("PATCH", path, query, body, APPLY)
        except ApiFailure as failure:
            self.counts["failed"] += 1
            self._failed(ref, failure)
            return
        self.counts["ok"] += 1
        self._mended(ref)
        self._written[ref] = change
        if ref in self._seen:
            self._seen[ref] = decode_status(answer)
        _log.debug(
            "status: {object}: {addresses}",
            object=str(ref),
            addresses=", ".join(map(str, change.addresses)) or "taken away",
        )

    def _note_quarrel(self, ref: ObjectRef) -> None:
        quarrel = self._quarrels.setdefault(ref, Quarrel())
        quarrel.times += 1
        quarrel.seconds = min(quarrel.seconds * 2, _LONGEST_QUARREL_SECONDS)
        if quarrel.times == 1:
            others = [each for each in self._seen[ref].owners if each != self._manager]
            _log.warn(
                "status: {object}: {who} writes its addresses as well; we write ours again, less"
                " and less often; let only one controller serve its class",
                object=str(ref),
                who=" and ".join(others) or "somebody",
            )

    # Trouble

    def _failed(self, ref: ObjectRef, failure: ApiFailure) -> None:
        status = failure.status if isinstance(failure, ApiError) else 0
        if isinstance(failure, NotFound) or status == CONFLICT:
            return  # it is gone or another one; the watch tells
        if isinstance(failure, Forbidden):
            self._shut_out(ref.namespace, failure)
        elif not status or status == _TOO_MANY or status >= _FIRST_SERVER_ERROR:
            asked = failure.retry_seconds if isinstance(failure, ApiError) else None
            self._queue.pause(self._backoff.next_seconds() + (asked or 0.0))
            self._complain(_PASSING, f"{failure}; it is tried again")
        else:
            self._complain(f"refused {status}", f"{ref}: {failure}; tried again in 5 minutes")
            self._queue.add_later(ref, _LONGEST_QUARREL_SECONDS)
            return
        self._queue.add(ref)

    def _shut_out(self, namespace: str, failure: Forbidden) -> None:
        """Ask in this namespace again in a while, with one Ingress for all that wait."""
        now = self._clock.seconds()
        shut = self._shut_namespaces.get(namespace, _OPEN)
        if now >= shut.until:
            seconds = min(2.0**shut.times, _LONGEST_SHUT_SECONDS)
            self._shut_namespaces[namespace] = Shut(shut.times + 1, now + seconds)
        self._complain(_FORBIDDEN, f"we may not write it: {failure}; add the rule {RULE}")

    def _complain(self, about: str, text: str) -> None:
        if about not in self._complaints:
            self._complaints.add(about)
            _log.warn("status of Ingresses: {what}", what=text)

    def _mended(self, ref: ObjectRef) -> None:
        self._backoff.reset()
        self._shut_namespaces.pop(ref.namespace, None)
        ended = {_PASSING} if self._shut_namespaces else {_PASSING, _FORBIDDEN}
        if ended & self._complaints:
            self._complaints -= ended
            _log.info("status of Ingresses: it can be written again")


def apply_body(
    api_version: str, ref: ObjectRef, uid: str, addresses: tuple[Address, ...]
) -> Mapping[str, object]:
    """
    Return what server-side apply is to make of a status; fields that it leaves out are given up.

    The uid keeps it from a namesake that was created in the meantime.
    """
    body: dict[str, object] = {
        "apiVersion": api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": uid},
    }
    if addresses:
        body["status"] = {"loadBalancer": {"ingress": [each.encode() for each in addresses]}}
    return body
