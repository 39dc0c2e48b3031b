"""What is filled by a producer, and has it wait while too much waits here."""

from __future__ import annotations

from fsm_twisted.net.stream import Producer


class Consumer:
    """
    The consumer's half of Twisted's flow control: one producer at a time, told each thing once.

    A subclass says by `is_full` when too much waits and, by `_pause_producer` and
    `_resume_producer`, when that has changed.
    """

    __slots__ = ("_producer", "_producer_paused")

    def __init__(self) -> None:
        self._producer: Producer | None = None
        self._producer_paused = False

    @property
    def is_full(self) -> bool:
        """Whether so much waits here that nothing should be added."""
        raise NotImplementedError

    def register_producer(self, producer: Producer) -> None:
        """Pause *producer* whenever too much waits here."""
        self._producer = producer
        self._producer_paused = False
        if self.is_full:
            self._pause_producer()

    def unregister_producer(self) -> None:
        """Forget the producer; one that was paused goes on."""
        producer, self._producer = self._producer, None
        if self._producer_paused and producer is not None:
            self._producer_paused = False
            producer.resumeProducing()

    def _pause_producer(self) -> None:
        if self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _resume_producer(self) -> None:
        if self._producer_paused and self._producer is not None:
            self._producer_paused = False
            self._producer.resumeProducing()
