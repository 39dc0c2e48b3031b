"""What descriptors need of the reactor: readiness, time, and the end of a turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class EventLoop(Protocol):
    """The reactor as descriptors see it; ours also has an `Outbox` as its ``outbox``."""

    def addReader(self, reader: Any) -> None: ...  # noqa: D102, N802
    def removeReader(self, reader: Any) -> None: ...  # noqa: D102, N802
    def addWriter(self, writer: Any) -> None: ...  # noqa: D102, N802
    def removeWriter(self, writer: Any) -> None: ...  # noqa: D102, N802
    def callLater(  # noqa: D102, N802
        self, delay: float, call: Callable[..., Any], /, *args: Any
    ) -> Any: ...


class Flushable(Protocol):
    """Something with output that may wait until the end of the turn."""

    def flush(self) -> None:
        """Send it; must not raise."""


# Who has something to send when everything that was ready has been read: the peers are woken once
# for many messages instead of falling asleep between two.
Outbox = list[Flushable]


def outbox_of(loop: EventLoop) -> Outbox | None:
    """Return the outbox of *loop*; None where the reactor has none: then all is sent at once."""
    found: Outbox | None = getattr(loop, "outbox", None)
    return found
