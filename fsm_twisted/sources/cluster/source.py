"""The objects of a cluster as a source: told once everything is known, followed from then on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from fsm_twisted.objects.decode_status import LoadBalancerStatus
from fsm_twisted.objects.model import Ingress, KubernetesObject, ObjectRef
from fsm_twisted.observe.report import Number
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, Forbidden
from fsm_twisted.sources.cluster.informer import Collection, Informer
from fsm_twisted.sources.cluster.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    SECRET,
    SERVICE,
    Kind,
)
from fsm_twisted.sources.cluster.namespaces import Namespaces
from fsm_twisted.sources.cluster.secrets import References, WantedSecrets
from fsm_twisted.sources.cluster.shelf import Read, Shelf
from fsm_twisted.sources.cluster.tally import Followed, informer_series
from fsm_twisted.sources.coalesce import Coalescer
from fsm_twisted.sources.contents import Contents, SourceProblem

_log = Logger()

StatusObserver = Callable[[ObjectRef, LoadBalancerStatus | None], None]

Changes = Mapping[ObjectRef, KubernetesObject | None]

# What is wrong may be said in ever other words, with the ports of connections in them.
_MOST_COMPLAINTS: Final = 20
_KINDS: Final = (INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, SECRET)


@attrs.frozen
class ClusterOptions:
    """
    How a cluster is followed.

    No ``namespaces`` means all of them, or those whose labels ``selector`` selects. A change that
    comes alone is told at once. A burst of them is over when nothing happened for
    ``quiet_seconds``, or when it has lasted ``at_most_seconds``; so long after something was told,
    what comes belongs to a burst. Changes wait for Secrets that have just become wanted, but not
    longer than ``secret_seconds``.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
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
        self._namespaces: Namespaces | None = None
        if options.selector:
            self._namespaces = Namespaces(options.selector, self)
            self._selecting = Informer(
                self._namespaces.collection, api, self._namespaces, clock=reactor, draw=draw
            )
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
        if self._namespaces is not None:
            self._selecting.start()
        for shelf, informer in self._followed.items():
            if shelf.collection.kind is not SECRET:
                informer.start()
        return self.contents

    def stop(self) -> Deferred[None]:
        """Follow no longer: nothing is told after this. Fires when nothing is under way."""
        self._coalescer.cancel()
        self._lose_patience()
        self._secrets.stop()
        informers: list[Informer[Any]] = list(self._followed.values())
        if self._namespaces is not None:
            informers.append(self._selecting)
        ended = DeferredList([each.stop() for each in informers])
        self._api.stop()
        return ended.addCallback(lambda _: None)

    def missing(self) -> str:
        """Say what is waited for before anything can be told; ``""`` when nothing is."""
        if self._is_told:
            return ""
        waiting = [each for each in self._all if not each.is_settled]
        names = ", ".join(str(shelf.collection) for shelf in waiting)
        reasons = dict.fromkeys(str(each.failure) for each in waiting if each.failure)
        return f"waiting for the API server: {'; '.join((names, *reasons))}"

    def counts(self) -> Mapping[str, Number]:
        """Return how following goes, by series."""
        followed = [
            Followed(shelf.collection.kind.plural, len(shelf), shelf.is_settled, informer.tally)
            for shelf, informer in self._followed.items()
        ]
        if (selected := self._namespaces) is not None:
            kind = selected.collection.kind.plural
            tally = self._selecting.tally
            followed.append(Followed(kind, len(selected), selected.is_settled, tally))
        return informer_series(followed, self._reactor.seconds())

    @property
    def _all(self) -> tuple[Shelf | Namespaces, ...]:
        selected = () if self._namespaces is None else (self._namespaces,)
        return (*self._followed, *selected)

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

    def selected(self, changed: frozenset[str]) -> None:
        """Take other namespaces into account."""
        for shelf in self._followed:
            shelf.tell_again(changed)
        self._follow_secrets()
        self._coalescer.poke()

    def troubled(self, what: Shelf | Namespaces, before: ApiFailure | None) -> None:
        """Log what is wrong, each thing once in an outage, and not for ever new ones."""
        failure = what.failure
        if isinstance(before, Forbidden) or isinstance(failure, Forbidden):
            self._follow_secrets()
            self._coalescer.poke()
        if failure is not None:
            self._complain(what.collection, failure)
        elif self._complaints and not any(each.failure for each in self._all):
            self._complaints.clear()
            _log.info("API server: everything is followed again")

    def _complain(self, collection: Collection, failure: ApiFailure) -> None:
        text = str(failure)
        if isinstance(failure, Forbidden):
            text = f"we may not read {collection}: {text}; add the rule {collection.kind.rule}"
        if text not in self._complaints and len(self._complaints) < _MOST_COMPLAINTS:
            self._complaints.add(text)
            stays = "what is known stays in force" if self._is_told else "nothing is known yet"
            _log.warn("API server: {what}; {stays}", what=text, stays=stays)

    def _follow_secrets(self) -> None:
        """Follow Secrets as soon as the Ingresses are known that say which are wanted."""
        known = [each for each in self._all if each.collection.kind in {INGRESS, NAMESPACE}]
        if self._are_secrets_followed or not all(each.is_settled for each in known):
            return
        self._are_secrets_followed = True
        self._choose_secrets()
        for shelf in self._shelves_of(SECRET):
            self._followed[shelf].start()

    def _choose_secrets(self) -> None:
        for shelf in self._shelves_of(INGRESS):
            self._references.take(self._counted(shelf.changes))
        self._secrets.want(self._references.refs, tuple(self._shelves_of(SECRET)))

    def _refresh(self) -> None:
        if not all(each.is_settled for each in self._all):
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
            changes.update(self._counted(shelf.changes))
            shelf.changes = {}
        inventory = self.contents.inventory.after(changes)
        problems = tuple(each for shelf in self._followed for each in self._problems(shelf))
        contents = Contents(tuple(inventory.objects()), {}, problems, inventory)
        if contents == self.contents and self._is_told:
            return
        self._is_told = True
        self.contents = contents
        self._on_change(contents)

    def _counted(self, changes: Changes) -> Changes:
        """Return *changes* as they count: an object of no selected namespace is none."""
        if (selected := self._namespaces) is None:
            return changes
        return {
            ref: value if ref.namespace in selected else None for ref, value in changes.items()
        }

    def _problems(self, shelf: Shelf) -> Iterable[SourceProblem]:
        if (selected := self._namespaces) is None:
            return shelf.problems()
        return (
            each for each in shelf.problems() if not each.ref or each.ref.namespace in selected
        )

    def _shelves_of(self, kind: Kind) -> Iterator[Shelf]:
        return (shelf for shelf in self._followed if shelf.collection.kind is kind)


def _collections(namespaces: tuple[str, ...]) -> Iterator[Collection]:
    for kind in _KINDS:
        for namespace in namespaces if kind.is_namespaced and namespaces else ("",):
            yield Collection(kind, namespace)
