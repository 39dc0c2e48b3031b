"""What one HTTP/2 connection may cost us: sizes, streams, and how much nuisance."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Patience:
    """
    A budget that is spent by frames of one kind and grows again with time.

    ``burst`` is the most that it holds, ``a_second`` what it gains each second.
    """

    burst: float
    a_second: float


@attrs.frozen
class Limits:
    """
    Sizes in bytes, numbers of things, for one connection.

    Attributes:
        streams: Streams that may be open at once: those of a client that we serve
            (SETTINGS_MAX_CONCURRENT_STREAMS), or as client our own, if the peer allows as many.
        stream_window: What the peer may send on a stream before the bytes are `consumed`.
        connection_window: The same for all streams together.
        frame_bytes: Largest payload of a frame that we accept (SETTINGS_MAX_FRAME_SIZE).
        target_bytes: Longest path and query of a request.
        head_bytes: Size of a field list, counted as in RFC 9113 section 6.5.2 (names, values
            and 32 a field); also most bytes of its compressed form.
        fields: Most fields of a head or of trailers; all crumbs of Cookie count as one.
        continuations: Most CONTINUATION frames after one HEADERS.
        table_bytes: Dynamic table of the peer's encoder, which we keep.
        encoder_table_bytes: Most that our own encoder uses of the table that the peer offers.
        interim: Most 1xx heads before a response.
        queued_frames: Answers (PING, SETTINGS, RST_STREAM) that may wait for `take_output`.
        resets: Budget of streams that end by RST_STREAM: a client's, or ours for its errors.
        control: Budget of PING, SETTINGS and the streams that these wake, PRIORITY, empty DATA
            and unknown frames; each DATA frame that we send adds one, for peers measure the way
            by a PING.
        updates: Budget of WINDOW_UPDATE; each DATA frame that we send adds two. Both only unless
            a window has made the frame tiny. One that opens the connection's window by next to
            nothing while streams wait for it costs more.
        extended_connect: Offer RFC 8441 (servers), which is how WebSocket comes over HTTP/2.
    """

    streams: int = 128
    stream_window: int = 262144
    connection_window: int = 1048576
    frame_bytes: int = 16384
    target_bytes: int = 16384
    head_bytes: int = 32768
    fields: int = 128
    continuations: int = 16
    table_bytes: int = 4096
    encoder_table_bytes: int = 4096
    interim: int = 16
    queued_frames: int = 1000
    resets: Patience = Patience(500, 100)
    control: Patience = Patience(1000, 200)
    updates: Patience = Patience(2000, 500)
    extended_connect: bool = True


DEFAULT_LIMITS: Final = Limits()
