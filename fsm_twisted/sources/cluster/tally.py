"""What following a cluster came to, in numbers for /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number
from fsm_twisted.sources.cluster.access import ApiFailure, CredentialsError
from fsm_twisted.sources.cluster.api import ApiError, Forbidden, Gone, NotFound
from fsm_twisted.sources.cluster.body import Unreachable
from fsm_twisted.sources.cluster.stream import WatchBroken

REASONS: Final[Mapping[type[ApiFailure], str]] = {
    Gone: "gone",
    Forbidden: "forbidden",
    NotFound: "not_found",
    ApiError: "refused",
    CredentialsError: "credentials",
    WatchBroken: "broken",
    Unreachable: "unreachable",
}
"""Values of the label ``reason``, by failure; a subclass before its base."""


@attrs.define
class Tally:
    """Numbers of one informer; ``heard_at`` is when the API server last sent an event."""

    lists: int = 0
    watches: int = 0
    heard_at: float | None = None
    failures: dict[str, int] = attrs.field(factory=dict)

    def failed(self, failure: ApiFailure) -> None:
        """Count a failure by its reason."""
        reason = next(
            (name for kind, name in REASONS.items() if isinstance(failure, kind)), "other"
        )
        self.failures[reason] = self.failures.get(reason, 0) + 1


@attrs.frozen
class Followed:
    """One collection at this moment."""

    kind: str
    objects: int
    is_synced: bool
    tally: Tally


def informer_series(followed: Iterable[Followed], now: float) -> Mapping[str, Number]:
    """Return the series, summed up by kind; of several ages the greatest."""
    found: dict[str, Number] = {}
    kinds: dict[str, list[Followed]] = {}
    for each in followed:
        kinds.setdefault(each.kind, []).append(each)
    for kind, group in kinds.items():
        tallies = [each.tally for each in group]
        found[series("informer_objects", kind=kind)] = sum(each.objects for each in group)
        found[series("informer_synced", kind=kind)] = int(all(each.is_synced for each in group))
        found[series("informer_lists_total", kind=kind)] = sum(each.lists for each in tallies)
        found[series("informer_watches_total", kind=kind)] = sum(each.watches for each in tallies)
        heard = [each.heard_at for each in tallies if each.heard_at is not None]
        if heard:
            age = series("informer_last_event_age_seconds", kind=kind)
            found[age] = max(now - min(heard), 0.0)
        for tally in tallies:
            for reason, number in tally.failures.items():
                name = series("informer_failures_total", kind=kind, reason=reason)
                found[name] = found.get(name, 0) + number
    return found
