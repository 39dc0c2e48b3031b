"""The client's body on its way to the endpoint, and the beginning of it kept for a retry."""

from __future__ import annotations

from fsm_twisted.http1.reader import body_reader
from fsm_twisted.http1.syntax import HeadLimits
from fsm_twisted.http1.writer import LAST_CHUNK, write_chunk
from fsm_twisted.message.framing import CHUNKED, Framing

# What may wait for a connection, or be sent once more while no byte of an answer has come.
KEPT_BYTES = 64 * 1024


class RequestBody:
    """
    One body, as an endpoint will get it.

    ``kept`` is everything of it so far, None when that has become too much to keep.

    Raises:
        RequestError: The body is over its limit, as its framing says.
    """

    __slots__ = ("_is_chunked", "_reader", "kept", "kept_bytes")

    def __init__(self, framing: Framing, limit_bytes: int | None, limits: HeadLimits) -> None:
        self._reader = body_reader(framing, limit=limit_bytes, limits=limits)
        self._is_chunked = framing is CHUNKED
        self.kept: list[bytes] | None = []
        self.kept_bytes = 0

    @property
    def done(self) -> bool:
        """Whether the whole body has come."""
        return self._reader.done

    @property
    def rest(self) -> bytes:
        """What came behind it: the client's next request."""
        return self._reader.rest

    @property
    def is_enough(self) -> bool:
        """Whether the client should wait until the connection stands."""
        return self.kept_bytes > KEPT_BYTES

    def take(self, data: bytes) -> bytes:
        """
        Read what the client has sent and return what the endpoint gets for it.

        Raises:
            RequestError: The body cannot be delimited, or is over its limit.
        """
        payload = self._reader.feed(data)
        if self._is_chunked:
            payload = write_chunk(payload)
            if self._reader.done:
                payload += LAST_CHUNK
        if self.kept is not None and payload:
            self.kept.append(payload)
            self.kept_bytes += len(payload)
        return payload

    def sent(self) -> None:
        """Note that all of it so far is with the endpoint; keep it only while it is short."""
        if self.is_enough:
            self.kept = None

    def forget(self) -> None:
        """Keep nothing: the endpoint has begun to answer."""
        self.kept = None
