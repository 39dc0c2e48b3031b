"""The data road as the assembly sees it, in this process or in workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from fsm_twisted.observe.live import Endpoints, WorkerFacts
from fsm_twisted.observe.report import Number, Report
from fsm_twisted.snapshot.model import Snapshot


class Serving(Protocol):
    """The data road, in this process or in workers."""

    def start(self) -> None:
        """Get ready; nothing is accepted before the first snapshot."""

    def publish(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from now on."""

    def series(self) -> Mapping[str, Number]:
        """Return what is known of the processes that serve, by series."""

    def report(self) -> Deferred[Report]:
        """Add up what has been counted; fires soon, and does not fail."""

    def look(self) -> Deferred[Endpoints]:
        """Ask for what is known of endpoints now; fires soon, and does not fail."""

    def show_requests(self, *, to_people: bool) -> None:
        """Record requests from now on, or no longer; the access log is no matter of this."""

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the processes that serve."""

    def missing(self) -> str:
        """Say what is missing until everybody serves a snapshot; ``""`` when nothing is."""

    def when_served(self, generation: int) -> Deferred[None]:
        """Wait until every process serves *generation* or a later one; does not fail."""

    def announce_end(self) -> None:
        """Let each answer be the last of its connection; new ones are still accepted."""

    def drain(self, drained: Callable[[], None]) -> None:
        """Accept no more, finish what runs; *drained* is called when nothing is left."""

    def cut(self) -> None:
        """Abort what is still under way."""

    def stop(self) -> Deferred[None]:
        """End at once; fires when nothing is left, and never fails."""
