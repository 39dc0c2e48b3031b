"""A source of a real cluster: credentials, connections and informers put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from twisted.internet.threads import deferToThreadPool

from fsm_twisted.objects.model import Ingress, ObjectRef
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.cluster.credentials import CredentialsReader
from fsm_twisted.sources.cluster.keeper import Keeper
from fsm_twisted.sources.cluster.origins import Origin
from fsm_twisted.sources.cluster.source import ClusterOptions, ClusterSource
from fsm_twisted.sources.cluster.transport import Agents
from fsm_twisted.sources.contents import Contents

# A handshake costs more than most requests, and the Lease is renewed every few seconds.
_KEPT_SECONDS: Final = 20


def connect(origin: Origin, reactor: Any, environ: Mapping[str, str]) -> Api:
    """Return the API server that the credentials of *origin* lead to; nothing is read yet."""
    keeper = Keeper(
        CredentialsReader(origin, environ),
        clock=reactor,
        in_thread=lambda read: deferToThreadPool(reactor, reactor.getThreadPool(), read),
    )
    agents = Agents(reactor, _KEPT_SECONDS)
    return Api(reactor, keeper, agents.agent_for, agents.close)


def follow_cluster(
    origin: Origin,
    *,
    reactor: Any,
    environ: Mapping[str, str],
    on_change: Callable[[Contents], None],
    wanted_secrets: Callable[[Iterable[Ingress]], frozenset[ObjectRef]],
    options: ClusterOptions,
) -> ClusterSource:
    """Return the source for the cluster that *origin* leads to, see `ClusterSource`."""
    return ClusterSource(
        connect(origin, reactor, environ),
        reactor=reactor,
        on_change=on_change,
        wanted_secrets=wanted_secrets,
        options=options,
    )
