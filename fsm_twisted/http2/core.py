"""What both directions of one connection share: streams, windows, and what is to be written."""

from __future__ import annotations

from fsm_twisted.http2.codes import (
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_STREAM,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    PREFACE,
    SMALLEST_FRAME_LIMIT,
    ErrorCode,
)
from fsm_twisted.http2.encoder import Encoder
from fsm_twisted.http2.errors import calm_fault
from fsm_twisted.http2.events import Event
from fsm_twisted.http2.frames import (
    write_go_away,
    write_reset,
    write_settings,
    write_window_update,
)
from fsm_twisted.http2.limits import Limits
from fsm_twisted.http2.lines import REQUEST_LINES, RESPONSE_LINES
from fsm_twisted.http2.patience import Budget
from fsm_twisted.http2.streams import Numbers, Stream
from fsm_twisted.http2.table import DEFAULT_TABLE_BYTES


class Core:
    """
    The state of one connection.

    Attributes:
        out: What is to be written, in order.
        events: What is to be reported, in order.
        answers: How many frames of it answer the peer.
        streams: Those that are not closed, by number.
        blocked: Streams with data that the windows did not let through, longest first.
        numbers: Of the streams that the client opened.
        send_window: What the peer lets us send on all streams together.
        receive_window: What we let the peer send on all streams together.
        stream_window: What we let the peer send on a new stream: ours once it is acknowledged.
        peer_window: What the peer lets us send on a new stream.
        peer_frame_bytes: Largest payload of a frame that we send.
        peer_streams: How many streams we may open: as many as the peer lets us, and we want.
        control: What is left for frames that are about nothing.
        peer_extended_connect: The peer offers RFC 8441.
        is_refusing: No new streams: GOAWAY has named the last one.
        is_draining: GOAWAY has gone, perhaps without a last stream.
        peer_is_leaving: The peer sent GOAWAY.
        ended: An error or `end` ended the connection.
        tells_usual: See `Connection`.
    """

    __slots__ = (
        "_owed",
        "_stream_share",
        "_window_share",
        "answers",
        "blocked",
        "control",
        "encoder",
        "ended",
        "events",
        "is_draining",
        "is_refusing",
        "is_server",
        "limits",
        "now",
        "numbers",
        "out",
        "peer_extended_connect",
        "peer_frame_bytes",
        "peer_is_leaving",
        "peer_streams",
        "peer_window",
        "receive_window",
        "resets",
        "send_window",
        "stream_window",
        "streams",
        "tells_usual",
        "updates",
    )

    def __init__(
        self, limits: Limits, now: float, *, is_server: bool, tells_usual: bool = False
    ) -> None:
        self.is_server = is_server
        self.tells_usual = tells_usual
        self.limits = limits
        self.now = now
        self.out: list[bytes] = [] if is_server else [PREFACE]
        self.answers = 0
        self.events: list[Event] = []
        self.streams: dict[int, Stream] = {}
        self.blocked: dict[int, None] = {}
        self.numbers = Numbers()
        self.encoder = Encoder(
            RESPONSE_LINES if is_server else REQUEST_LINES, limits.encoder_table_bytes
        )
        self.send_window = DEFAULT_WINDOW
        self.receive_window = max(limits.connection_window, DEFAULT_WINDOW)
        self._owed = 0
        self._window_share = self.receive_window // 2
        self._stream_share = max(limits.stream_window // 2, 1)
        self.stream_window = DEFAULT_WINDOW
        self.peer_window = DEFAULT_WINDOW
        self.peer_frame_bytes = SMALLEST_FRAME_LIMIT
        self.peer_streams = 0 if is_server else limits.streams
        self.peer_extended_connect = False
        self.is_refusing = False
        self.is_draining = False
        self.peer_is_leaving = False
        self.ended = False
        self.resets = Budget(limits.resets, now, "streams that end by RST_STREAM")
        self.updates = Budget(limits.updates, now, "WINDOW_UPDATE frames")
        self.control = Budget(limits.control, now, "control and empty frames")
        self._introduce()

    def _introduce(self) -> None:
        limits = self.limits
        said = {
            INITIAL_WINDOW_SIZE: limits.stream_window,
            MAX_HEADER_LIST_SIZE: limits.head_bytes,
        }
        if self.is_server:
            said[MAX_CONCURRENT_STREAMS] = limits.streams
            if limits.extended_connect:
                said[ENABLE_CONNECT_PROTOCOL] = 1
        else:
            said[ENABLE_PUSH] = 0
        if limits.frame_bytes != SMALLEST_FRAME_LIMIT:
            said[MAX_FRAME_SIZE] = limits.frame_bytes
        if limits.table_bytes != DEFAULT_TABLE_BYTES:
            said[HEADER_TABLE_SIZE] = limits.table_bytes
        self.out.append(write_settings(sorted(said.items())))
        more = self.receive_window - DEFAULT_WINDOW
        if more:
            self.out.append(write_window_update(0, more))

    # What is to be written

    def take_output(self) -> bytes:
        """Return what is to be written, and forget it."""
        out = self.out
        if not out:
            return b""
        output = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self.answers = 0
        return output

    def answer(self, frame: bytes) -> None:
        """
        Queue a frame that the peer made us send.

        Raises:
            ConnectionFault: Too many of them wait: the peer does not read.
        """
        self.answers += 1
        if self.answers > self.limits.queued_frames:
            raise calm_fault("answers pile up, for the peer does not read them")
        self.out.append(frame)

    # Streams

    def finish_remote(self, stream: Stream) -> None:
        """Follow the peer's END_STREAM."""
        stream.remote_open = False
        if not stream.local_open:
            self.forget(stream)

    def finish_local(self, stream: Stream) -> None:
        """Follow our END_STREAM; what a refused request still has to say, nobody waits for."""
        stream.local_open = False
        if not stream.remote_open:
            self.forget(stream)
        elif stream.is_refused:
            self.reset(stream.number, ErrorCode.NO_ERROR)

    def forget(self, stream: Stream) -> None:
        """Drop a stream that is closed; its unconsumed bytes are the connection's again."""
        del self.streams[stream.number]
        if self.blocked:
            self.blocked.pop(stream.number, None)
        if stream.unconsumed:
            self.give_back(stream.unconsumed)

    def reset(self, number: int, code: int) -> None:
        """Queue RST_STREAM for a stream that is open, or was never accepted."""
        stream = self.streams.get(number)
        if stream is not None:
            self.forget(stream)
        self.numbers.remember_reset(number)
        self.out.append(write_reset(number, code))

    # Windows of what we receive

    def give_back(self, count: int) -> None:
        """Let the peer send *count* bytes more on the connection, in large steps."""
        self._owed += count
        if self._owed >= self._window_share:
            self.out.append(write_window_update(0, self._owed))
            self.receive_window += self._owed
            self._owed = 0

    def give_back_on(self, stream: Stream, count: int) -> None:
        """Let the peer send *count* bytes more on *stream*, in large steps."""
        stream.owed += count
        if stream.owed >= self._stream_share and stream.remote_open:
            self.out.append(write_window_update(stream.number, stream.owed))
            stream.receive_window += stream.owed
            stream.owed = 0

    # The end

    def drain(self) -> None:
        """See `Connection.drain`; a client, of which nobody opens streams, needs one step."""
        if self.is_refusing or self.ended:
            return
        if self.is_draining or not self.is_server:
            self.is_refusing = True
            self.out.append(write_go_away(self.numbers.last, ErrorCode.NO_ERROR))
        else:
            self.out.append(write_go_away(LARGEST_STREAM, ErrorCode.NO_ERROR))
        self.is_draining = True

    def end(self, code: ErrorCode) -> None:
        """Queue GOAWAY and forget all streams."""
        if not self.ended:
            self.ended = True
            last = self.numbers.last if self.is_server else 0
            self.out.append(write_go_away(last, code))
            self.streams.clear()
            self.blocked.clear()
