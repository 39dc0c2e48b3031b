"""
The Secrets that Ingresses refer to: no others stay in memory.

The watch brings the changes of those that are wanted already; one that becomes wanted later was
thrown away when it came, so it is asked for by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Sized
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from fsm_twisted.compiler.values import SecretName, ValueFault, parse_secret_name
from fsm_twisted.objects.model import Ingress, KubernetesObject, ObjectRef
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, Forbidden, NotFound
from fsm_twisted.sources.cluster.backoff import Backoff
from fsm_twisted.sources.cluster.kinds import SECRET
from fsm_twisted.sources.cluster.shelf import Shelf

_log = Logger()

_AT_ONCE: Final = 8
_SUFFIX: Final = "-secret"


def referenced_secrets(
    ingresses: Iterable[Ingress], annotation_prefix: str
) -> frozenset[ObjectRef]:
    """
    Return the Secrets that *ingresses* name in ``spec.tls`` or in an annotation of ours.

    Every annotation that begins with the prefix and ends with ``-secret`` names one: ``NAME`` in
    the Ingress's namespace, or ``NAMESPACE/NAME``. What is no name of a Secret is never asked
    for: it would become a path of the API server that the author of an Ingress has written.
    """
    found: set[ObjectRef] = set()
    for each in ingresses:
        own = each.metadata.namespace
        texts = [tls.secret_name for tls in each.tls if "/" not in tls.secret_name]
        texts += [
            value
            for key, value in each.metadata.annotations.items()
            if key.startswith(annotation_prefix) and key.endswith(_SUFFIX)
        ]
        names = filter(None, map(_read, texts))
        found.update(ObjectRef(SECRET.name, name.namespace or own, name.name) for name in names)
    return frozenset(found)


def _read(text: str) -> SecretName | None:
    try:
        return parse_secret_name(text)
    except ValueFault:
        return None


class References:
    """
    Which Secrets Ingresses refer to, kept up to date Ingress by Ingress.

    Args:
        referenced: Says to which Secrets some Ingresses refer.

    Attributes:
        refs: The Secrets; the same set as long as they are the same.
    """

    def __init__(self, referenced: Callable[[Iterable[Ingress]], frozenset[ObjectRef]]) -> None:
        self._referenced = referenced
        self._by_ingress: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._counts: Counter[ObjectRef] = Counter()
        self.refs: frozenset[ObjectRef] = frozenset()

    def take(self, changes: Mapping[ObjectRef, KubernetesObject | None]) -> None:
        """Take Ingresses that are new or other ones, None for one that is gone."""
        touched: set[ObjectRef] = set()
        for ref, value in changes.items():
            before = self._by_ingress.pop(ref, frozenset())
            after = self._referenced((value,)) if isinstance(value, Ingress) else frozenset()
            if after:
                self._by_ingress[ref] = after
            if after != before:
                self._counts.subtract(before)
                self._counts.update(after)
                touched |= before | after
        gone = {each for each in touched if not self._counts[each]}
        for each in gone:
            del self._counts[each]
        new = touched - gone
        if not new <= self.refs or gone & self.refs:
            self.refs = (self.refs | new) - gone


class WantedSecrets:
    """
    Knows which Secrets are wanted, and asks for those that nobody has told us of.

    Args:
        api: The API server.
        clock: The reactor.
        draw: Returns a number of [0, 1), for jitter.
        fetched: Called whenever nothing is under way any more.
    """

    def __init__(
        self,
        api: Api,
        *,
        clock: IReactorTime,
        draw: Callable[[], float],
        fetched: Callable[[], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._draw = draw
        self._fetched = fetched
        self._room = DeferredSemaphore(_AT_ONCE)
        self._under_way: dict[ObjectRef, Deferred[None]] = {}
        self._refs: frozenset[ObjectRef] = frozenset()

    @property
    def is_busy(self) -> bool:
        """Return whether a Secret is on its way that nobody has tried in vain yet."""
        return bool(self._under_way)

    def is_wanted(self, ref: ObjectRef) -> bool:
        """Return whether an Ingress refers to *ref*."""
        return ref in self._refs

    def want(self, refs: frozenset[ObjectRef], shelves: Sized[Shelf]) -> None:
        """Want these from now on: forget others, and ask for those that are new."""
        if refs is self._refs:
            return
        new, self._refs = refs - self._refs, refs
        for ref in self._under_way.keys() - refs:
            self.drop(ref)
        for shelf in shelves:
            shelf.forget()
        self._ask(new, shelves)

    def ask_again(self, shelf: Shelf) -> None:
        """
        Ask for what a list did not have.

        Such a Secret may have become wanted when its page had been read already.
        """
        self._ask(self._refs, (shelf,))

    def drop(self, ref: ObjectRef) -> None:
        """Ask for *ref* no longer: the watch has told of it, which is as good and later."""
        if (under_way := self._under_way.get(ref)) is not None:
            under_way.cancel()

    def stop(self) -> None:
        """Ask for nothing any more."""
        self._fetched = lambda: None
        for each in tuple(self._under_way.values()):
            each.cancel()

    def _ask(self, refs: Iterable[ObjectRef], shelves: Iterable[Shelf]) -> None:
        for shelf in shelves:
            if not shelf.is_synced:
                continue
            for ref in sorted(refs):
                is_there = shelf.collection.namespace in {"", ref.namespace}
                if is_there and ref not in shelf and ref not in self._under_way:
                    self._begin(ref, shelf)

    def _begin(self, ref: ObjectRef, shelf: Shelf) -> None:
        under_way = self._room.run(lambda: Deferred.fromCoroutine(self._fetch(ref, shelf)))
        self._under_way[ref] = under_way
        under_way.addErrback(lambda failure: failure.trap(CancelledError) and None)
        # A fault of ours leaves the Secret unknown, and must be seen.
        under_way.addErrback(lambda failure: _log.failure("asking for a Secret failed", failure))
        under_way.addBoth(lambda _: self._over(ref))

    def _over(self, ref: ObjectRef) -> None:
        self._under_way.pop(ref, None)
        if not self._under_way:
            self._fetched()

    async def _fetch(self, ref: ObjectRef, shelf: Shelf) -> None:
        backoff = Backoff(self._draw)
        version = SECRET.versions[0]
        while True:
            try:
                item = await self._api.request(
                    "GET", SECRET.path(version, ref.namespace, ref.name)
                )
            except (NotFound, Forbidden):
                return
            except ApiFailure:
                await deferLater(self._clock, backoff.next_seconds())
            else:
                shelf.take(item, version)
                return
