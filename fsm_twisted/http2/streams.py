"""One stream of a connection, and which numbers have been used (RFC 9113 section 5.1)."""

from __future__ import annotations

from typing import Final

UNKNOWN_LENGTH: Final = -1
_REMEMBERED_RESETS: Final = 4096
_REMEMBERED_GAPS: Final = 256


class Stream:
    """
    A stream that is not closed.

    Attributes:
        number: Its identifier.
        method: Of the request.
        send_window: What the peer lets us send, perhaps negative.
        receive_window: What we let the peer send, perhaps negative.
        unconsumed: Bytes that were reported and not yet consumed.
        owed: Bytes that were consumed and not yet given back.
        remaining: Bytes that the body must still have, or `UNKNOWN_LENGTH`.
        remote_open: The peer may send.
        local_open: We may send.
        head_received: The final head of the peer is here.
        head_sent: Ours has gone.
        is_refused: Whatever the peer sends on it is dropped.
        interim: Interim heads so far.
    """

    __slots__ = (
        "head_received",
        "head_sent",
        "interim",
        "is_refused",
        "local_open",
        "method",
        "number",
        "owed",
        "receive_window",
        "remaining",
        "remote_open",
        "send_window",
        "unconsumed",
    )

    def __init__(self, number: int, method: bytes, send_window: int, receive_window: int) -> None:
        self.number = number
        self.method = method
        self.send_window = send_window
        self.receive_window = receive_window
        self.unconsumed = 0
        self.owed = 0
        self.remaining = UNKNOWN_LENGTH
        self.remote_open = True
        self.local_open = True
        self.head_received = False
        self.head_sent = False
        self.is_refused = False
        self.interim = 0


class Numbers:
    """
    Which numbers the opener of streams has used; bounded, whatever it does.

    A number below the last one is closed for one of three reasons: the stream ended, we reset it
    (then the peer may not know yet), or it was passed over.
    """

    __slots__ = ("_gaps", "_reset", "last")

    def __init__(self) -> None:
        self.last = 0
        self._gaps: list[tuple[int, int]] = []
        self._reset: dict[int, None] = {}

    def use(self, number: int) -> None:
        """Take *number*, which is above the last one."""
        if number > self.last + 2:
            del self._gaps[: -_REMEMBERED_GAPS + 1]
            self._gaps.append((self.last, number))
        self.last = number

    def was_passed_over(self, number: int) -> bool:
        """Tell whether *number* was never used, and never can be."""
        return any(low < number < high for low, high in self._gaps)

    def remember_reset(self, number: int) -> None:
        """Remember that we reset the stream: what the peer sent before it knew is no fault."""
        if len(self._reset) >= _REMEMBERED_RESETS:
            del self._reset[next(iter(self._reset))]
        self._reset[number] = None

    def was_reset_here(self, number: int) -> bool:
        """Tell whether we reset the stream."""
        return number in self._reset
