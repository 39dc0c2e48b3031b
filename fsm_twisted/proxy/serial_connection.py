"""A client's connection that serves one thing at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.proxy.lingering import Lingering
from fsm_twisted.proxy.sides import tell_gone

if TYPE_CHECKING:
    from fsm_twisted.proxy.client import Peer
    from fsm_twisted.proxy.exchange import Exchange
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.tunnel import Tunnel


class SerialConnection(Lingering):
    """
    A connection that has an exchange, or is a tunnel, or neither; it ends with what it serves.

    Attributes:
        peer: The client.
        exchange: The one being served.
        tunnel: What an exchange has become.
        note: What the access log says of the client.
    """

    __slots__ = ("_input", "_input_has_ended", "exchange", "note", "peer", "tunnel")

    def __init__(self, plane: DataPlane, peer: Peer) -> None:
        super().__init__(plane)
        self.peer = peer
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.note = b""
        self._input = b""  # that waits for its turn
        self._input_has_ended = False

    def begin(self, tunnel: Tunnel) -> None:
        """Pass on what has waited, and read on."""
        data, self._input = self._input, b""
        if data:
            tunnel.data(self, data)
        if self._input_has_ended:
            tunnel.input_ended(self)
        else:
            self.resumeProducing()

    @property
    def is_idle(self) -> bool:
        """Whether it serves no request."""
        raise NotImplementedError

    def describe(self) -> None:
        """Make the note of the client that records of its requests have."""
        raise NotImplementedError

    # Output

    def output_progressed(self) -> None:
        """Give the client time for the rest."""
        if self.tunnel is not None:
            self.tunnel.keep_alive()
        else:
            self.deadline = self.plane.seconds() + self.plane.options.body_seconds

    def output_ended(self) -> None:
        """Linger, so that the last bytes are not destroyed by a reset."""
        if self.tunnel is not None:
            self.tunnel.output_ended(self)
        elif self._input_has_ended:
            self.close()
        else:
            self._input = b""
            self.linger()

    # The end

    def drain(self) -> None:
        """End as soon as what has been asked is answered."""
        raise NotImplementedError

    def cut(self, code: str) -> None:
        """Abort, for the reason *code*, whatever is under way."""
        if self.exchange is not None:
            self.exchange.cut(code)
        self.abort()

    def closed(self) -> None:
        """Tell whoever is on the other side, once."""
        self.plane.sweep.discard(self)
        self._input = b""
        tell_gone(self)
        self.plane.forget(self)
