"""The objects of a cluster as a source: told once everything is known, followed from then on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from fsm_twisted.objects.decode_status import LoadBalancerStatus
from fsm_twisted.objects.model import Ingress, KubernetesObject, ObjectRef
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, Forbidden
from fsm_twisted.sources.cluster.informer import Collection, Informer
from fsm_twisted.sources.cluster.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    SECRET,
    SERVICE,
    Kind,
)
from fsm_twisted.sources.cluster.secrets import References, WantedSecrets
from fsm_twisted.sources.cluster.shelf import Read, Shelf
from fsm_twisted.sources.coalesce import Coalescer
from fsm_twisted.sources.contents import Contents

_log = Logger()

StatusObserver = Callable[[ObjectRef, LoadBalancerStatus | None], None]

_KINDS: Final = (INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, SECRET)


@attrs.frozen
class ClusterOptions:
    """
    How a cluster is followed.

    No ``namespaces`` means all of them. A change that comes alone is told at once. A burst of them
    is over when nothing happened for ``quiet_seconds``, or when it has lasted ``at_most_seconds``;
    so long after something was told, what comes belongs to a burst. Changes wait for Secrets that
    have just become wanted, but not longer than ``secret_seconds``.
    """

    namespaces: tuple[str, ...] = ()
    quiet_seconds: float = 0.05
    at_most_seconds: float = 0.25
    secret_seconds: float = 1.0


class ClusterSource:
    """
    Follows a cluster, and tells *on_change* everything it holds whenever that changes.

    The first time is when every kind was listed, or is known to be forbidden; a forbidden kind is
    a problem of the contents, and Services and EndpointSlices are waited for. Without the API
    server, what was told last stays so.
    """

    def __init__(
        self,
        api: Api,
        *,
        reactor: IReactorTime,
        on_change: Callable[[Contents], None],
        wanted_secrets: Callable[[Iterable[Ingress]], frozenset[ObjectRef]],
        options: ClusterOptions = ClusterOptions(),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """
        Take what is needed; nothing is asked of the API server yet.

        Args:
            api: The API server.
            reactor: The running, or soon to be running, reactor.
            on_change: Called from the reactor, never twice with the same.
            wanted_secrets: Which Secrets these Ingresses refer to; no others are kept.
            options: What to follow, and how.
            draw: Returns a number of [0, 1), for jitter.
        """
        self._api = api
        self._reactor = reactor
        self._on_change = on_change
        self._references = References(wanted_secrets)
        self._options = options
        self._coalescer = Coalescer(
            reactor,
            self._refresh,
            quiet_seconds=options.quiet_seconds,
            at_most_seconds=options.at_most_seconds,
        )
        self._secrets = WantedSecrets(api, clock=reactor, draw=draw, fetched=self._fetched)
        self._followed: dict[Shelf, Informer[Read]] = {}
        for collection in _collections(options.namespaces):
            shelf = Shelf(collection, self)
            self._followed[shelf] = Informer(collection, api, shelf, clock=reactor, draw=draw)
        self._are_secrets_followed = False
        self._patience: IDelayedCall | None = None
        self._complaints: set[str] = set()
        self._status_observers: list[StatusObserver] = []
        self._is_told = False
        self.contents = Contents()

    @property
    def api(self) -> Api:
        """The API server that is followed; it also takes what we have to tell."""
        return self._api

    def observe_status(self, observer: StatusObserver) -> None:
        """
        Have *observer* told the status of each Ingress, now and whenever it changes.

        It is told at once, and before any change of the Ingress itself; a status is no change of
        the contents. None is told of an Ingress that is gone.
        """
        self._status_observers.append(observer)
        for shelf in self._shelves_of(INGRESS):
            for ref, status in shelf.statuses():
                observer(ref, status)

    def check(self) -> None:
        """
        Look whether there are credentials, for a program that has not started yet.

        Raises:
            CredentialsError: There are none that could be used; the text says why.
        """
        self._api.check()

    def start(self) -> Contents:
        """Begin to follow; nothing is there yet, so what is returned is empty."""
        for shelf, informer in self._followed.items():
            if shelf.collection.kind is not SECRET:
                informer.start()
        return self.contents

    def stop(self) -> Deferred[None]:
        """Follow no longer: nothing is told after this. Fires when nothing is under way."""
        self._coalescer.cancel()
        self._lose_patience()
        self._secrets.stop()
        ended = DeferredList([each.stop() for each in self._followed.values()])
        self._api.stop()
        return ended.addCallback(lambda _: None)

    def missing(self) -> str:
        """Say what is waited for before anything can be told; ``""`` when nothing is."""
        if self._is_told:
            return ""
        waiting = [shelf for shelf in self._followed if not shelf.is_settled]
        names = ", ".join(str(shelf.collection) for shelf in waiting)
        reasons = dict.fromkeys(str(each.failure) for each in waiting if each.failure)
        return f"waiting for the API server: {'; '.join((names, *reasons))}"

    # What shelves tell.

    def is_wanted(self, ref: ObjectRef) -> bool:
        """Want every object, but only some Secrets."""
        return ref.kind != SECRET.name or self._secrets.is_wanted(ref)

    def changed(self, shelf: Shelf, *, is_single: bool) -> None:
        """Tell of it: at once when it comes alone, else when the burst is over."""
        if is_single and self._is_told:
            self._coalescer.hurry()
        else:
            self._coalescer.poke()

    def listed(self, shelf: Shelf) -> None:
        """Look whether more can be done now."""
        if shelf.collection.kind is SECRET:
            self._secrets.ask_again(shelf)
        self._follow_secrets()
        if not self._is_told:
            self._coalescer.poke()

    def told(self, ref: ObjectRef) -> None:
        """Know that nobody needs to ask for a Secret."""
        if ref.kind == SECRET.name:
            self._secrets.drop(ref)

    def status_changed(self, ref: ObjectRef, status: LoadBalancerStatus | None) -> None:
        """Tell whoever writes it."""
        for observer in self._status_observers:
            observer(ref, status)

    def troubled(self, shelf: Shelf, before: ApiFailure | None) -> None:
        """Log what is wrong, each thing once in an outage."""
        failure = shelf.failure
        if isinstance(before, Forbidden) or isinstance(failure, Forbidden):
            self._follow_secrets()
            self._coalescer.poke()
        if failure is not None:
            self._complain(shelf, failure)
        elif self._complaints and not any(each.failure for each in self._followed):
            self._complaints.clear()
            _log.info("API server: everything is followed again")

    def _complain(self, shelf: Shelf, failure: ApiFailure) -> None:
        text = str(failure)
        if isinstance(failure, Forbidden):
            rule = shelf.collection.kind.rule
            text = f"we may not read {shelf.collection}: {text}; add the rule {rule}"
        if text not in self._complaints:
            self._complaints.add(text)
            stays = "what is known stays in force" if self._is_told else "nothing is known yet"
            _log.warn("API server: {what}; {stays}", what=text, stays=stays)

    def _follow_secrets(self) -> None:
        """Follow Secrets as soon as the Ingresses are known that say which are wanted."""
        if self._are_secrets_followed or not all(
            shelf.is_settled for shelf in self._shelves_of(INGRESS)
        ):
            return
        self._are_secrets_followed = True
        self._choose_secrets()
        for shelf in self._shelves_of(SECRET):
            self._followed[shelf].start()

    def _choose_secrets(self) -> None:
        for shelf in self._shelves_of(INGRESS):
            self._references.take(shelf.changes)
        self._secrets.want(self._references.refs, tuple(self._shelves_of(SECRET)))

    def _refresh(self) -> None:
        if not all(shelf.is_settled for shelf in self._followed):
            return
        self._choose_secrets()
        if not self._secrets.is_busy:
            self._tell()
        elif self._patience is None:
            self._patience = self._reactor.callLater(self._options.secret_seconds, self._tell)

    def _fetched(self) -> None:
        if self._patience is not None:
            self._lose_patience()
            self._coalescer.hurry()

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _tell(self) -> None:
        self._patience = None
        # What came while Secrets were waited for may refer to others.
        self._choose_secrets()
        changes: dict[ObjectRef, KubernetesObject | None] = {}
        for shelf in self._followed:
            changes.update(shelf.changes)
            shelf.changes = {}
        inventory = self.contents.inventory.after(changes)
        problems = tuple(problem for shelf in self._followed for problem in shelf.problems())
        contents = Contents(tuple(inventory.objects()), {}, problems, inventory)
        if contents == self.contents and self._is_told:
            return
        self._is_told = True
        self.contents = contents
        self._on_change(contents)

    def _shelves_of(self, kind: Kind) -> Iterator[Shelf]:
        return (shelf for shelf in self._followed if shelf.collection.kind is kind)


def _collections(namespaces: tuple[str, ...]) -> Iterator[Collection]:
    for kind in _KINDS:
        for namespace in namespaces if kind.is_namespaced and namespaces else ("",):
            yield Collection(kind, namespace)
