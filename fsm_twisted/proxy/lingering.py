"""The end of a client's connection: our output is over, its input is read and thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm_twisted.net.descriptor import Descriptor

if TYPE_CHECKING:
    from fsm_twisted.proxy.plane import DataPlane

LINGER_SECONDS: Final = 2.0  # of silence
MOST_LINGER_SECONDS: Final = 30.0
LINGER_BYTES: Final = 16 * 1024 * 1024


class Lingering(Descriptor):
    """
    A connection that is not closed before the client has seen our last words.

    Closing while input waits unread would send a reset, which destroys what the client has not
    read yet (RFC 9112 section 9.6).

    Attributes:
        plane: What all connections share.
    """

    __slots__ = ("_linger_end", "_lingered_bytes", "_lingers", "plane")

    def __init__(self, plane: DataPlane) -> None:
        super().__init__(plane.loop)
        self.plane: DataPlane = plane
        self._lingers = False
        self._lingered_bytes = 0
        self._linger_end = float("inf")

    def linger(self) -> None:
        """Discard input from now on, until the client closes or is silent."""
        self._lingers = True
        self.discard_input()
        now = self.plane.seconds()
        self._linger_end = now + MOST_LINGER_SECONDS
        self.deadline = now + LINGER_SECONDS
        self.resumeProducing()

    def lingered(self, data: bytes) -> None:
        """Throw *data* away; close a client that does not stop."""
        self._lingered_bytes += len(data)
        if self._lingered_bytes > LINGER_BYTES:
            self.close()
        else:
            silence_end = self.plane.seconds() + LINGER_SECONDS
            self.deadline = min(silence_end, self._linger_end)

    def give_up(self) -> None:
        """Close; at once where what is still to be sent is not taken."""
        if self.has_output:
            self.abort()
        else:
            self.close()
