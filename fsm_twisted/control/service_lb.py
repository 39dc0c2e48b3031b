"""
A load balancer's task for clusters without one: addresses of nodes for our own Service.

The leader writes the addresses of the nodes on which our pods are Ready into the Service's
``status.loadBalancer``, never over what somebody else has written there, and keeps the last ones
while no pod is Ready.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from fsm_twisted.control.nodes import Item, node_addresses, ready_nodes, why_not
from fsm_twisted.control.own_service import OwnService, follow
from fsm_twisted.control.requests import APPLY, CONFLICT
from fsm_twisted.control.status import apply_body
from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.decode_status import Address, decode_status
from fsm_twisted.objects.model import EndpointSlice
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, ApiError, Forbidden, NotFound
from fsm_twisted.sources.cluster.backoff import Backoff
from fsm_twisted.sources.cluster.informer import Collection
from fsm_twisted.sources.cluster.kinds import ENDPOINT_SLICE, SERVICE

_log = Logger()

NODE_RULE: Final = '{apiGroups: [""], resources: ["nodes"], verbs: [get]}'
STATUS_RULE: Final = '{apiGroups: [""], resources: ["services/status"], verbs: [patch]}'
_LABEL: Final = "kubernetes.io/service-name"
_QUIET_SECONDS: Final = 0.2
# Nodes change their addresses without a word to us.
_AGAIN_SECONDS: Final = 60.0


class ServiceLB:
    """
    Keeps the addresses of our Service.

    Args:
        service: Follows it.
        api: The API server.
        manager: Our name as a field manager.
        clock: The reactor.
        draw: Returns a number of [0, 1), for jitter.
        is_leader: Whether we may write at this moment.

    Attributes:
        counts: Requests to write by result: ``ok``, ``failed``.
    """

    def __init__(
        self,
        service: OwnService,
        api: Api,
        manager: str,
        *,
        clock: IReactorTime,
        draw: Callable[[], float],
        is_leader: Callable[[], bool],
    ) -> None:
        self._ref = ref = service.ref
        self._service = service
        self._api = api
        self._manager = manager
        self._clock = clock
        self._is_leader = is_leader
        self._backoff = Backoff(draw)
        self._slices, self._informer = follow(
            Collection(ENDPOINT_SLICE, ref.namespace),
            api,
            clock=clock,
            draw=draw,
            is_wanted=self._is_ours,
            changed=self.poke,
        )
        service.changed = self.poke
        self._next: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._is_over = False
        self._said = ""
        self.counts: Counter[str] = Counter(ok=0, failed=0)

    def start(self) -> None:
        """Begin to look after it."""
        self._informer.start()
        self.poke()

    def stop(self) -> Deferred[None]:
        """Write nothing any more; what is written stays."""
        self._is_over = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        if self._round is not None:
            self._round.cancel()
        return self._informer.stop()

    def lead(self, is_leader: bool) -> None:  # noqa: FBT001  an observer of the leader
        """Begin to write, or stop."""
        if is_leader:
            self.poke()

    def poke(self) -> None:
        """Look soon whether there is something to write."""
        self._look_in(_QUIET_SECONDS)

    def _look_in(self, seconds: float) -> None:
        if self._is_over:
            return
        if self._next is not None and self._next.active():
            if self._next.getTime() <= self._clock.seconds() + seconds:
                return
            self._next.cancel()
        self._next = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        if self._round is not None:
            self._look_in(_QUIET_SECONDS)
            return
        self._round = Deferred.fromCoroutine(self._work())
        self._round.addErrback(self._failed)
        self._round.addBoth(self._ended)

    def _ended(self, seconds: float | None) -> None:
        self._round = None
        self._look_in(_AGAIN_SECONDS if seconds is None else seconds)

    async def _work(self) -> None:
        item = self._service.item
        if item is None or not self._slices.is_synced or not self._is_leader():
            return
        if reason := why_not(item):
            self._say(f"--service-lb: {reason}")
            return
        names = ready_nodes(self._decoded_slices(), self._ref.name)
        nodes = [each for name in names if (each := await self._node(name)) is not None]
        addresses = node_addresses(item, nodes)
        status = decode_status(item)
        if not addresses:
            where = f"on {', '.join(names)}" if names else "on any node"
            self._say(f"no address found {where} with a Ready pod of ours; what it has stays")
        elif status.addresses == addresses:
            self._say("")
        elif status.addresses and self._manager not in status.owners:
            self._note_other(status.owners)
        elif self._is_leader():
            await self._write(status.uid, addresses)
        self._backoff.reset()

    def _is_ours(self, item: Item) -> bool:
        match item.get("metadata"):
            case {"labels": dict(labels)}:
                return labels.get(_LABEL) == self._ref.name
        return False

    def _decoded_slices(self) -> list[EndpointSlice]:
        values = (decode_object(each).value for each in self._slices.items.values())
        return [each for each in values if isinstance(each, EndpointSlice)]

    async def _node(self, name: str) -> Item | None:
        try:
            return await self._api.request("GET", f"/api/v1/nodes/{name}")
        except NotFound:
            return None
        except Forbidden as failure:
            msg = f"{failure.message}; add to the ClusterRole: {NODE_RULE}"
            raise Forbidden(failure.status, msg) from None

    async def _write(self, uid: str, addresses: tuple[Address, ...]) -> None:
        path = f"{SERVICE.path('v1', self._ref.namespace, self._ref.name)}/status"
        # Without force: whoever else owns the addresses makes it a conflict.
        query = {"fieldManager": self._manager, "force": "false"}
        body = apply_body("v1", self._ref, uid, addresses)
        try:
            await self._api.request("PATCH", path, query, body, APPLY)
        except ApiError as failure:
            self.counts["failed"] += 1
            if failure.status == CONFLICT:
                self._note_other((failure.message,))
                return
            if isinstance(failure, Forbidden):
                msg = f"{failure.message}; add to a Role in {self._ref.namespace}: {STATUS_RULE}"
                raise Forbidden(failure.status, msg) from None
            raise
        self.counts["ok"] += 1
        self._say(f"--service-lb: it gets the addresses {', '.join(map(str, addresses))}")

    def _note_other(self, owners: tuple[str, ...]) -> None:
        who = " and ".join(owners) or "somebody"
        self._say(f"--service-lb: its addresses are left as they are, {who} has written them")

    def _failed(self, failure: Failure) -> float:
        if failure.check(CancelledError):
            return _AGAIN_SECONDS
        if failure.check(ApiFailure):
            self._say(f"--service-lb: {failure.getErrorMessage()}")
        else:
            _log.failure("service-lb: looking after {service} failed", failure, service=self._ref)
        return 1.0 + self._backoff.next_seconds()

    def _say(self, what: str) -> None:
        if what and what != self._said:
            _log.info("status: {service}: {what}", service=str(self._ref), what=what)
        self._said = what
