"""Which source: files, or the first cluster whose credentials are found (design decision D13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred

from fsm_twisted.sources.cluster.access import CredentialsError
from fsm_twisted.sources.cluster.origins import find_origin
from fsm_twisted.sources.cluster.secrets import referenced_secrets
from fsm_twisted.sources.cluster.source import ClusterOptions
from fsm_twisted.sources.contents import Contents, SourceError
from fsm_twisted.sources.manifests import ManifestSource


class NoSource(SourceError):
    """There is no source of objects; the text lists where one was looked for."""


class Source(Protocol):
    """Where objects come from."""

    def check(self) -> None:
        """Look whether it can be used at all; raises SourceError."""

    def start(self) -> Contents:
        """Begin to tell; what is returned is told already, or empty."""

    def stop(self) -> Deferred[None] | None:
        """Tell nothing any more; a Deferred fires when nothing is under way."""

    def missing(self) -> str:
        """Say what is waited for before the first telling; ``""`` when nothing is."""


@attrs.frozen
class SourceOptions:
    """What the operator says about sources: files alone, or else a cluster."""

    manifests: tuple[str, ...] = ()
    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    selector: str = ""


def choose_source(
    options: SourceOptions,
    reactor: Any,
    environ: Mapping[str, str],
    on_change: Callable[[Contents], None],
    annotation_prefix: str,
) -> Source:
    """
    Return the source; nothing is read yet but that its files are there.

    Raises:
        NoSource: There is none.
    """
    if options.manifests:
        return ManifestSource(options.manifests, reactor=reactor, on_change=on_change)
    try:
        origin = find_origin(options.kubeconfig, options.context, environ=environ)
    except CredentialsError as error:
        raise NoSource(f"no source of objects: {error}") from None
    # The package that reads credentials costs 20 MB and 0.2 s, which files do not need.
    from fsm_twisted.sources.cluster.connect import follow_cluster  # noqa: PLC0415

    return follow_cluster(
        origin,
        reactor=reactor,
        environ=environ,
        on_change=on_change,
        wanted_secrets=lambda ingresses: referenced_secrets(ingresses, annotation_prefix),
        options=ClusterOptions(
            namespaces=tuple(dict.fromkeys(options.namespaces)), selector=options.selector
        ),
    )
