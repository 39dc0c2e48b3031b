"""The objects of a cluster, listed once."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import maybeDeferred

from fsm_twisted.admin.documents.world import World
from fsm_twisted.cli.errors import Trouble
from fsm_twisted.cli.offline import compile_contents
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.sources.choose import SourceOptions, choose_source
from fsm_twisted.sources.contents import Contents, SourceError

PATIENCE_SECONDS = 30.0


def read_cluster(source: SourceOptions, options: CompilerOptions) -> World:
    """
    Compile what a cluster holds now.

    Raises:
        Trouble: There are no credentials, or the API server does not tell within half a minute.
    """
    # The reactor of this process, which ends with the command.
    from twisted.internet import reactor as made  # noqa: PLC0415, TID251

    reactor: Any = made
    found: list[Contents] = []

    def told(contents: Contents) -> None:
        if not found:
            found.append(contents)
            reactor.callLater(0, stop)

    def stop() -> None:
        maybeDeferred(followed.stop).addBoth(lambda _: reactor.stop())

    try:
        followed = choose_source(source, reactor, os.environ, told, options.annotation_prefix)
        followed.check()
    except SourceError as error:
        raise Trouble(str(error)) from None
    reactor.callWhenRunning(followed.start)
    limit = reactor.callLater(PATIENCE_SECONDS, stop)
    reactor.run()
    if limit.active():
        limit.cancel()
    if not found:
        why = followed.missing() or "it has not told everything in time"
        raise Trouble(f"the cluster: {why}; its credentials or its address may be wrong")
    return compile_contents(found[0], options)
