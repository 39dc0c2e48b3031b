"""The Service that leads to us, followed whichever namespaces the objects come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from fsm_twisted.control.addresses import addresses_of
from fsm_twisted.objects.decode_status import Address
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import Api, Forbidden
from fsm_twisted.sources.cluster.informer import Collection, Informer
from fsm_twisted.sources.cluster.kinds import SERVICE
from fsm_twisted.sources.cluster.stream import WatchEvent

_log = Logger()

Item = Mapping[str, object]
_GONE: Final = "DELETED"


class Items:
    """
    The wanted objects of a collection, as the API server tells them; a sink of an informer.

    Args:
        collection: Of which they are.
        is_wanted: Says which ones.
        changed: Called when they have changed, or were listed for the first time.
    """

    def __init__(
        self,
        collection: Collection,
        is_wanted: Callable[[Item], bool],
        changed: Callable[[], None],
    ) -> None:
        self._collection = collection
        self._is_wanted = is_wanted
        self._changed = changed
        self._complaint = ""
        self.items: dict[str, Item] = {}
        self.is_synced = False

    def read(self, item: Item, version: str) -> tuple[str, Item | None]:
        """Take an object if it is wanted, its name alone otherwise."""
        kind = self._collection.kind
        whole = {**item, "apiVersion": kind.api_version(version), "kind": kind.name}
        return name_of(item), whole if self._is_wanted(item) else None

    def replace(self, read: list[tuple[str, Item | None]]) -> None:
        """Take what was read as all that there is."""
        items = {name: item for name, item in read if item is not None}
        is_new, self.is_synced = not self.is_synced, True
        if is_new or items != self.items:
            self.items = items
            self._changed()

    def apply(self, event: WatchEvent, version: str) -> None:
        """Take one change."""
        name, item = self.read(event.object, version)
        if event.type == _GONE or item is None:
            if self.items.pop(name, None) is not None:
                self._changed()
        else:
            self.items[name] = item
            self._changed()

    def trouble(self, failure: ApiFailure | None) -> None:
        """Say what is wrong, each thing once."""
        if failure is None:
            self._complaint = ""
            return
        text = str(failure)
        if isinstance(failure, Forbidden):
            namespace, rule = self._collection.namespace, self._collection.kind.rule
            text = f"{text}; add to a Role in {namespace}: {rule}"
        if text != self._complaint:
            self._complaint = text
            _log.warn("status: {what}: {why}", what=str(self._collection), why=text)


class OwnService:
    """
    Follows one Service and tells its addresses.

    Args:
        ref: Which one.
        api: The API server.
        clock: The reactor.
        draw: Returns a number of [0, 1), for jitter.
        publish: Takes the addresses whenever the Service has changed, if it has any.

    Attributes:
        ref: The Service.
        changed: Called after any change of the Service.
    """

    def __init__(
        self,
        ref: ObjectRef,
        api: Api,
        *,
        clock: IReactorTime,
        draw: Callable[[], float],
        publish: Callable[[tuple[Address, ...]], None],
    ) -> None:
        self.ref = ref
        self._publish = publish
        self.changed: Callable[[], None] = lambda: None
        self._items, self._informer = follow(
            Collection(SERVICE, ref.namespace),
            api,
            clock=clock,
            draw=draw,
            is_wanted=lambda item: name_of(item) == ref.name,
            changed=self._changed,
        )
        self._said = ""

    @property
    def item(self) -> Item | None:
        """The Service as the API server tells it; None as long as there is none."""
        return self._items.items.get(self.ref.name)

    def start(self) -> None:
        """Begin to follow it."""
        self._informer.start()

    def stop(self) -> Deferred[None]:
        """End; fires at once."""
        return self._informer.stop()

    def _changed(self) -> None:
        item = self.item
        addresses = () if item is None else addresses_of(item)
        if addresses:
            shown = ", ".join(map(str, addresses))
            self._say(f"its addresses are {shown}")
            self._publish(addresses)
        elif item is None:
            self._say("there is no such Service; Ingresses keep the addresses that they have")
        else:
            self._say("it has no address yet; Ingresses keep the addresses that they have")
        self.changed()

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            _log.info("status: {service}: {what}", service=str(self.ref), what=what)


def follow(
    collection: Collection,
    api: Api,
    *,
    clock: IReactorTime,
    draw: Callable[[], float],
    is_wanted: Callable[[Item], bool],
    changed: Callable[[], None],
) -> tuple[Items, Informer[tuple[str, Item | None]]]:
    """Return the wanted objects of a collection, and who follows them once it is started."""
    items = Items(collection, is_wanted, changed)
    return items, Informer(collection, api, items, clock=clock, draw=draw)


def name_of(item: Item) -> str:
    """Return the name of an object, ``""`` for one without."""
    match item.get("metadata"):
        case {"name": str(name)}:
            return name
    return ""
