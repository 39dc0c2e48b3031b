"""
Events of Kubernetes: what people are told about their objects by ``kubectl describe``.

A finding becomes a Warning when it comes up, and is told again every half hour as long as it
stands, since the API server forgets Events after an hour. An Ingress gets ``Synced`` once every
worker serves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.control.acceptance import Acceptance, faulty
from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.event_queue import EventQueue
from fsm_twisted.control.notes import FindingNotes, Note, synced_note
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.observe.report import Number

REPEAT_SECONDS: Final = 1800.0
# Who is not the leader so long need not tell what the leader has told meanwhile.
HANDOVER_SECONDS: Final = 60.0


class Events:
    """
    Tells people about their objects; a duty towards a cluster.

    Args:
        queue: Writes what is to be told.
        annotation_prefix: Of annotations that are ours.
        when_served: Fires when every worker serves a generation.
        clock: The reactor.
        is_leader: Whether it is us who write, of several replicas.
    """

    def __init__(
        self,
        queue: EventQueue,
        *,
        annotation_prefix: str,
        when_served: Callable[[int], Deferred[None]],
        clock: IReactorTime,
        is_leader: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._prefix = annotation_prefix
        self._when_served = when_served
        self._clock = clock
        self._is_leader = is_leader
        self._findings: tuple[Finding, ...] = ()
        self._ours: tuple[Ingress, ...] = ()
        self._notes = FindingNotes(annotation_prefix)
        self._standing: Mapping[str, Note] = {}
        self._acceptance = Acceptance()
        self._told: dict[ObjectRef, str] = {}
        self._waiting: set[Deferred[None]] = set()
        self._handovers: set[IDelayedCall] = set()
        self._repeating = LoopingCall(self._repeat)
        self._repeating.clock = clock

    def start(self) -> None:
        """Begin to repeat what stands."""
        self._repeating.start(REPEAT_SECONDS, now=False)

    def stop(self) -> None:
        """Write nothing any more."""
        if self._repeating.running:
            self._repeating.stop()
        for each in tuple(self._waiting):
            each.cancel()
        for later in self._handovers:
            later.cancel()
        self._handovers.clear()
        self._queue.stop()

    def counts(self) -> Mapping[str, Number]:
        """Return how many were written and dropped, by series."""
        return self._queue.counts()

    def observe(self, outcome: Outcome) -> None:
        """Learn what a compilation came to."""
        ours = outcome.compiled.ours
        if outcome.findings == self._findings and ours == self._ours:
            return
        inventory = outcome.contents.inventory
        self._tell_findings(self._notes.of(outcome.findings, inventory, ours))
        due, lost = self._acceptance.take(ours, faulty(outcome.findings))
        self._findings, self._ours = outcome.findings, ours
        for ref in lost & self._told.keys():
            del self._told[ref]
        if due:
            self._tell_when_served(due, outcome.snapshot.generation)

    def _tell_findings(self, standing: Mapping[str, Note]) -> None:
        before, self._standing = self._standing, standing
        for name in before.keys() - standing.keys():
            self._queue.withdraw(name)
        for name, note in standing.items():
            if name not in before:
                self._queue.put(note)

    def _repeat(self) -> None:
        for note in self._standing.values():
            self._queue.put(note)

    # Synced

    def _tell_when_served(self, due: list[Ingress], generation: int) -> None:
        served = self._when_served(generation)
        self._waiting.add(served)
        served.addCallback(lambda _: self._served(due))
        served.addErrback(lambda failure: failure.trap(CancelledError) and None)
        served.addBoth(lambda _: self._waiting.discard(served))

    def _served(self, ingresses: list[Ingress]) -> None:
        """Tell of those that have not changed since, and say something new."""
        names = []
        for each in ingresses:
            ref = ref_of(each)
            note = synced_note(each, self._prefix)
            if self._acceptance.is_current(each) and self._told.get(ref) != note.name:
                self._told[ref] = note.name
                self._queue.put(note)
                names.append(note.name)
        if names:
            self._hand_over_later(names)

    def _hand_over_later(self, names: list[str]) -> None:
        def hand_over() -> None:
            self._handovers.discard(later)
            if not self._is_leader():
                for name in names:
                    self._queue.withdraw(name)

        later = self._clock.callLater(HANDOVER_SECONDS, hand_over)
        self._handovers.add(later)
