"""The client's side of a TLS connection that goes through unopened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from fsm_twisted.observe.access import UNOPENED, pack_peer
from fsm_twisted.proxy.lingering import Lingering
from fsm_twisted.proxy.passage import Passage
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.proxy.client import Peer
    from fsm_twisted.proxy.plane import DataPlane
    from fsm_twisted.proxy.runtime import BoundRoute
    from fsm_twisted.proxy.tunnel import Tunnel
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


class PassedConnection(Lingering):
    """
    A client's connection whose bytes go to an endpoint as they are.

    It waits for its passage to find an endpoint, or is a tunnel, or lingers after an alert.

    Args:
        plane: What all connections share.
        peer: The client.
        server_name: What its ClientHello asks for.
    """

    __slots__ = (
        "_input",
        "_input_has_ended",
        "asked",
        "exchange",
        "note",
        "peer",
        "tunnel",
    )

    READ_BYTES = 64 * 1024
    is_idle = False

    def __init__(self, plane: DataPlane, peer: Peer, server_name: bytes) -> None:
        super().__init__(plane)
        self.peer = peer
        self.note = pack_peer(peer.address, b"", server_name)
        self.exchange: Passage | None = None
        self.asked: _Refused | None = None
        self.tunnel: Tunnel | None = None
        self._input = b""
        self._input_has_ended = False

    def start(self, bound: BoundRoute) -> None:
        """Look for an endpoint, and read what waits for it."""
        self.plane.connections.add(self)
        self.plane.sweep.add(self)
        state = bound.upstream
        if state is None:
            self.asked = _Refused(bound)
            self.reply(bound.route.refusal or REPLIES["no_service"])
            return
        self.exchange = passage = Passage(self, bound, state)
        self.resumeProducing()
        passage.attempt()

    def describe(self) -> None:
        """Do nothing: what is known of the client was known from the start."""

    def begin(self, tunnel: Tunnel) -> None:
        """Pass on what has waited, and read on."""
        data, self._input = self._input, b""
        if data:
            tunnel.data(self, data)
        if self._input_has_ended:
            tunnel.input_ended(self)
        else:
            self.resumeProducing()

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

    def output_progressed(self) -> None:
        """Give the client time for the rest."""
        if self.tunnel is not None:
            self.tunnel.keep_alive()
        else:
            self.deadline = self.plane.seconds() + self.plane.options.body_seconds

    def output_drained(self) -> None:
        """Begin to count the silence of a tunnel."""
        if self.tunnel is not None:
            self.tunnel.keep_alive()

    def exchange_ended(self, *, ends: bool) -> None:
        """End our output, once all of it is sent."""
        del ends
        self._input = b""
        self.finish()

    def output_ended(self) -> None:
        """Linger, so that the last bytes are not destroyed by a reset."""
        if self.tunnel is not None:
            self.tunnel.output_ended(self)
        elif self._input_has_ended:
            self.close()
        else:
            self.linger()

    # The end

    def expired(self) -> None:
        """Give up a tunnel that is silent, or a client that takes nothing."""
        self.deadline = _NEVER
        if self.has_output:
            self.abort()
        else:
            self.close()

    def drain(self) -> None:
        """Go on: only the two ends know when a tunnel is over."""

    def cut(self, code: str) -> None:
        """Abort, for the reason *code*."""
        if self.exchange is not None:
            self.exchange.cut(code)
        self.abort()

    def closed(self) -> None:
        """Tell whoever is on the other side, once."""
        self.plane.sweep.discard(self)
        self._input = b""
        exchange, self.exchange = self.exchange, None
        tunnel, self.tunnel = self.tunnel, None
        if exchange is not None:
            exchange.client_gone()
        if tunnel is not None:
            tunnel.closed(self)
        self.plane.forget(self)
