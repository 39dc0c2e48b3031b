"""Endpoints at run time: their load, health and idle connections, for as long as one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twisted.logger import Logger

from fsm_twisted.balancing.health import HealthGroup
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.proxy.upstream import UpstreamConnection
from fsm_twisted.snapshot.identity import Endpoint, ServicePortId
from fsm_twisted.snapshot.model import Upstream

if TYPE_CHECKING:
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.sides import EndpointSide

_log = Logger()

GroupKey = tuple[ServicePortId, str, str, str]
"""A Service port and what is spoken to it: protocol; fingerprint and server name, if it is TLS."""


class EndpointState(EndpointLoad):
    """
    One endpoint of a Service port: its load, and its idle connections (the last one used first).

    Shared by all upstreams that reach the same Service port in the same way; ``users`` says how
    many those are. ``is_by_name``: an idle connection is not for everybody, see `idle_for`.
    ``once``: what the access log says of the tries when it was asked first and has answered.
    """

    __slots__ = (
        "ejections",
        "group",
        "has_failed",
        "idle",
        "is_by_name",
        "is_retired",
        "once",
        "text",
        "users",
    )

    def __init__(self, endpoint: Endpoint, group: Group) -> None:
        super().__init__(endpoint)
        self.group = group
        self.text = str(endpoint).encode("utf-8", "replace")
        self.once = (1, self.text)
        self.idle: list[UpstreamConnection] = []
        self.is_by_name = False
        self.is_retired = False
        self.has_failed = False
        self.ejections = 0
        self.users = 0

    def connection(self, plane: DataPlane, exchange: Exchange) -> EndpointSide:
        """Make the endpoint's side of *exchange*, which has yet to connect."""
        return UpstreamConnection(plane, self, exchange)

    def idle_for(self, exchange: Exchange) -> list[UpstreamConnection]:
        """Return the idle connections that *exchange* may use, the last one used last."""
        del exchange
        return self.idle

    @property
    def idle_count(self) -> int:
        """How many connections are idle."""
        return len(self.idle)

    def failed(self, now: float) -> None:
        """Note that it has not answered; *now* is in seconds on the sweep's clock."""
        self.has_failed = True
        if self.group.health.failed(self, now):
            self.ejections += 1
            _log.warn("endpoint {endpoint} is ejected", endpoint=str(self.endpoint))

    def succeeded(self) -> None:
        """Note that it has answered after a failure."""
        self.has_failed = False
        self.group.health.succeeded(self)

    def retire(self) -> None:
        """Leave the snapshot: idle connections close, busy ones close when they are done."""
        self.is_retired = True
        for connection in tuple(self.idle):
            connection.close()


class Group:
    """The endpoints of one Service port, reached in one way, and what is known of their health."""

    __slots__ = ("health", "members")

    def __init__(self) -> None:
        self.members: dict[Endpoint, EndpointState] = {}
        self.health: HealthGroup[EndpointState] = HealthGroup()

    def make(self, endpoint: Endpoint) -> EndpointState:
        """Make the state of a new member."""
        return EndpointState(endpoint, self)


class Endpoints:
    """
    Every endpoint that an upstream names, once for each Service port and way of reaching it.

    A change is a few calls of `hold` and `release`, in any order, and then one of `settle`.

    Args:
        group_of: Makes the group of an upstream's endpoints.
    """

    def __init__(self, group_of: Callable[[Upstream], Group]) -> None:
        self._group_of = group_of
        self._groups: dict[GroupKey, Group] = {}
        self._touched: set[GroupKey] = set()
        self._past_ejections = 0

    def hold(self, upstream: Upstream) -> list[EndpointState]:
        """Return the states of the endpoints that *upstream* names, until it releases them."""
        if not upstream.endpoints:
            return []
        key = group_key(upstream)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._group_of(upstream)
        self._touched.add(key)
        return [_held(group, endpoint) for endpoint in upstream.endpoints]

    def release(self, upstream: Upstream) -> None:
        """Take back what `hold` has given for *upstream*."""
        if upstream.endpoints:
            key = group_key(upstream)
            self._touched.add(key)
            for endpoint in upstream.endpoints:
                self._groups[key].members[endpoint].users -= 1

    def settle(self) -> None:
        """Retire the endpoints that nobody names any more."""
        touched, self._touched = self._touched, set()
        for key in touched:
            group = self._groups[key]
            gone = [each for each in group.members.values() if not each.users]
            for state in gone:
                del group.members[state.endpoint]
                self._past_ejections += state.ejections
            group.health.update(group.members.values())
            if not group.members:
                del self._groups[key]
            for state in gone:
                state.retire()

    def readmit(self, now: float) -> None:
        """Let ejected endpoints whose time is over be picked again."""
        for group in self._groups.values():
            group.health.readmit(now)

    def by_group(self) -> Iterator[tuple[GroupKey, EndpointState]]:
        """Go through all of them, each with the key of its group."""
        for key, group in tuple(self._groups.items()):
            for state in group.members.values():
                yield key, state

    def __iter__(self) -> Iterator[EndpointState]:
        """Go through all of them."""
        for group in self._groups.values():
            yield from group.members.values()

    @property
    def ejections(self) -> int:
        """How often an endpoint has been left out since the start."""
        return self._past_ejections + sum(each.ejections for each in self)


def group_key(upstream: Upstream) -> GroupKey:
    """Return the key of the group that the endpoints of *upstream* belong to."""
    service_port, protocol, tls = upstream.id.service_port, upstream.protocol.value, upstream.tls
    if tls is None:
        return (service_port, protocol, "", "")
    return (service_port, protocol, tls.fingerprint, tls.server_name)


def _held(group: Group, endpoint: Endpoint) -> EndpointState:
    state = group.members.get(endpoint)
    if state is None:
        state = group.members[endpoint] = group.make(endpoint)
    state.users += 1
    return state
