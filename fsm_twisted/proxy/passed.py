"""The client's side of a TLS connection that goes through unopened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.observe.access import UNOPENED, pack_peer
from fsm_twisted.proxy.passage import Passage
from fsm_twisted.proxy.serial_connection import SerialConnection
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.proxy.client import Peer
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.runtime import BoundRoute
    from fsm_twisted.snapshot.reasons import ReplyReason

# What may wait for an endpoint's connection: a long ClientHello, and early data behind it.
_WAITING_BYTES: Final = 64 * 1024
# A fatal alert, internal_error (RFC 8446 section 6): all that can be said without taking part.
ALERT: Final = bytes.fromhex("15 0303 0002 02 50")
_NEVER: Final = float("inf")


@attrs.frozen
class _Refused:
    """A connection that no endpoint is asked for, as the access log sees it."""

    bound: BoundRoute
    minor: int = UNOPENED
    bytes_in: int = 0

    def forwarded(self) -> bytes:
        """Write what the log wants to know of its head: it has none."""
        return b""


class PassedConnection(SerialConnection):
    """
    A client's connection whose bytes go to an endpoint as they are.

    It waits for its passage to find an endpoint, or is a tunnel, or lingers after an alert.

    Args:
        plane: What all connections share.
        peer: The client.
        server_name: What its ClientHello asks for.
    """

    __slots__ = ("asked",)

    READ_BYTES = 64 * 1024
    is_idle = False

    def __init__(self, plane: DataPlane, peer: Peer, server_name: bytes) -> None:
        super().__init__(plane, peer)
        self.note = pack_peer(peer.address, b"", server_name)
        self.asked: _Refused | None = None

    def start(self, bound: BoundRoute) -> None:
        """Look for an endpoint, and read what waits for it."""
        self.plane.connections.add(self)
        self.plane.sweep.add(self)
        state = bound.upstream
        if state is None:
            self.asked = _Refused(bound)
            reason = bound.refusal or REPLIES["no_service"]
            bound.cells.count_passed(reason.code)
            self.reply(reason)
            return
        self.exchange = passage = Passage(self, bound, state)
        self.resumeProducing()
        passage.attempt()

    def describe(self) -> None:
        """Do nothing: what is known of the client was known from the start."""

    def reply(self, reason: ReplyReason, fields: bytes = b"", *, ends: bool = False) -> None:
        """Say by an alert that there is no way through; see `sides.ClientSide`."""
        del fields, ends
        plane = self.plane
        plane.count_reply(reason)
        self.write(ALERT)
        if plane.access is not None:
            plane.access.replied(self, reason, 0, len(ALERT))
        self.exchange = self.asked = None
        self.exchange_ended(ends=True)

    # Input

    def data_received(self, data: bytes) -> None:
        """Pass it on, or keep it for the endpoint."""
        if self.tunnel is not None:
            self.tunnel.data(self, data)
        elif self._lingers:
            self.lingered(data)
        else:
            self._input += data
            if len(self._input) > _WAITING_BYTES:
                self.pauseProducing()

    def input_ended(self) -> None:
        """Learn that the client sends no more; it may still want to hear something."""
        self._input_has_ended = True
        if self.tunnel is not None:
            self.tunnel.input_ended(self)
        elif self._lingers:
            self.close()

    # Output

    def output_drained(self) -> None:
        """Begin to count the silence of a tunnel."""
        if self.tunnel is not None:
            self.tunnel.keep_alive()

    def exchange_ended(self, *, ends: bool) -> None:
        """End our output, once all of it is sent."""
        del ends
        self._input = b""
        self.finish()

    # The end

    def expired(self) -> None:
        """Give up a tunnel that is silent, or a client that takes nothing."""
        self.deadline = _NEVER
        self.give_up()

    def drain(self) -> None:
        """Go on: only the two ends know when a tunnel is over."""
