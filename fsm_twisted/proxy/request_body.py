"""The client's body on its way to the endpoint, and the beginning of it kept for a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields

# What may wait for a connection, or be sent once more while no byte of an answer has come.
KEPT_BYTES = 64 * 1024


class RequestBody:
    """
    What has come of one body.

    Args:
        is_chunked: Its length is not known from the head.

    Attributes:
        kept: All of its payload so far, None when that has become too much to keep.
        is_whole: Nothing more is to come.
        trailers: What has followed it.
    """

    __slots__ = ("is_chunked", "is_whole", "kept", "kept_bytes", "trailers")

    def __init__(self, *, is_chunked: bool) -> None:
        self.is_chunked = is_chunked
        self.is_whole = False
        self.trailers: Fields = ()
        self.kept: list[bytes] | None = []
        self.kept_bytes = 0

    @property
    def is_enough(self) -> bool:
        """Whether the client should wait until the connection stands."""
        return self.kept_bytes > KEPT_BYTES

    def take(self, payload: bytes, *, ended: bool, trailers: Fields = ()) -> None:
        """Note what the client has sent."""
        if self.kept is not None and payload:
            self.kept.append(payload)
            self.kept_bytes += len(payload)
        if ended:
            self.is_whole = True
            self.trailers = trailers

    def sent(self) -> None:
        """Note that all of it so far is with the endpoint; keep it only while it is short."""
        if self.is_enough:
            self.kept = None

    def forget(self) -> None:
        """Keep nothing: the endpoint has begun to answer."""
        self.kept = None
