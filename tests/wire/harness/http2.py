"""An HTTP/2 client on the package h2, an implementation that is not ours, with a way around it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

import attrs
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hpack import Decoder, Encoder

from tests.wire.harness.client import Client, connect, connect_tls, tls_context
from tests.wire.harness.lanes import Lane
from tests.wire.harness.message import Ended, Field

DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
NEVER = 99  # the type of no frame
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@attrs.define
class Answer:
    """What has come on one stream; ``reset`` is the code of a RST_STREAM."""

    status: int = 0
    fields: tuple[Field, ...] = ()
    interim: list[int] = attrs.Factory(list)
    body: bytearray = attrs.Factory(bytearray)
    trailers: tuple[Field, ...] = ()
    ended: bool = False
    reset: int | None = None

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field that may not be repeated."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name!r} is repeated"
        return values[0] if values else None

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None


@attrs.define
class Http2Client:
    """One connection; windows open by themselves unless ``reads`` is False."""

    client: Client
    h2: H2Connection
    reads: bool = True
    answers: dict[int, Answer] = attrs.Factory(dict)
    farewells: list[ConnectionTerminated] = attrs.Factory(list)
    pings: int = 0

    def flush(self) -> None:
        """Send what h2 has written."""
        data = self.h2.data_to_send()
        if data:
            self.client.send(data)

    def raw(self, data: bytes) -> None:
        """Send bytes that h2 would never write."""
        self.flush()
        self.client.send(data)

    def begin(
        self,
        lane: Lane | bytes,
        *,
        method: bytes = b"GET",
        path: bytes = b"/",
        fields: Sequence[Field] = (),
        end: bool = True,
    ) -> int:
        """Begin a stream and return its number."""
        host = lane if isinstance(lane, bytes) else lane.host
        head = [
            (b":method", method),
            (b":scheme", b"https"),
            (b":authority", host),
            (b":path", path),
            *fields,
        ]
        return self.send_head(head, end=end)

    def send_head(self, head: Sequence[Field], *, end: bool = True) -> int:
        """Begin a stream with a head as it stands."""
        number = self.h2.get_next_available_stream_id()
        self.answers[number] = Answer()
        self.h2.send_headers(number, head, end_stream=end)
        self.flush()
        return number

    def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Send body bytes that the windows allow."""
        self.h2.send_data(number, data, end_stream=end)
        self.flush()

    def upload(self, number: int, data: bytes, *, end: bool = True) -> None:
        """Send body bytes as the windows open."""
        left = memoryview(data)
        while left:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                self.pump()
                continue
            piece, left = left[:room], left[room:]
            self.send(number, bytes(piece), end=end and not left)

    def ask(self, lane: Lane | bytes, body: bytes | None = None, **more: object) -> Answer:
        """Send a request and wait for all of its answer."""
        number = self.begin(lane, end=body is None, **more)  # type: ignore[arg-type]
        if body is not None:
            self.send(number, body, end=True)
        return self.answer(number)

    def answer(self, number: int) -> Answer:
        """Wait until a stream has ended."""
        answer = self.answers[number]
        self.until(lambda: answer.is_over)
        return answer

    def until(self, met: Callable[[], bool]) -> None:
        """Read until *met*."""
        while not met():
            self.pump()

    def pump(self) -> None:
        """Read once, and act on it."""
        self.client.fill()
        data = self.client.exactly(len(self.client.pending()))
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()

    def pump_until_end(self) -> str:
        """Read until the connection ends; return how."""
        try:
            while True:
                self.pump()
        except Ended as end:
            return end.how
        except ssl.SSLEOFError:
            return "cut"

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.farewells.append(event)
        elif isinstance(event, PingAckReceived):
            self.pings += 1
        number = getattr(event, "stream_id", None)
        answer = self.answers.get(number) if number else None
        if answer is not None:
            self._add(answer, event)

    def _add(self, answer: Answer, event: Event) -> None:
        match event:
            case InformationalResponseReceived():
                answer.interim.append(int(dict(event.headers)[b":status"]))
            case ResponseReceived():
                answer.status = int(dict(event.headers)[b":status"])
                answer.fields = tuple((bytes(k), bytes(v)) for k, v in event.headers[1:])
            case DataReceived():
                answer.body += event.data
                if self.reads and event.flow_controlled_length:
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
            case TrailersReceived():
                answer.trailers = tuple((bytes(k), bytes(v)) for k, v in event.headers)
            case StreamEnded():
                answer.ended = True
            case StreamReset():
                answer.reset = int(event.error_code)

    def close(self) -> None:
        """End the connection."""
        self.client.close()


def speak(client: Client, *, settings: dict[int, int] | None = None) -> Http2Client:
    """Begin HTTP/2 on a connection, with *settings* by number."""
    config = H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    made = Http2Client(client, H2Connection(config))
    if settings:
        made.h2.update_settings(settings)
        made.h2.clear_outbound_data_buffer()
        made.h2.local_settings.acknowledge()
    made.h2.initiate_connection()
    made.flush()
    return made


def h2_context() -> ssl.SSLContext:
    """Make a context that believes every certificate and offers h2."""
    context = tls_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def connect_h2(port: int, name: str | None = "any.test", **more: dict[int, int]) -> Http2Client:
    """Connect by TLS and ALPN."""
    client = connect_tls(port, name, h2_context())
    assert isinstance(client.sock, ssl.SSLSocket)
    assert client.sock.selected_alpn_protocol() == "h2"
    return speak(client, **more)


def connect_h2c(port: int, *, receive_buffer: int = 0, **more: dict[int, int]) -> Http2Client:
    """Connect in plain, by prior knowledge."""
    return speak(connect(port, receive_buffer=receive_buffer), **more)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame as it stands."""
    size = len(payload).to_bytes(3, "big")
    return size + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


@attrs.define
class RawHttp2:
    """A connection of frames as they stand; the preface and SETTINGS are sent."""

    client: Client
    encoder: Encoder = attrs.Factory(Encoder)
    decoder: Decoder = attrs.Factory(Decoder)
    frames: list[tuple[int, int, int, bytes]] = attrs.Factory(list)
    statuses: dict[int, bytes] = attrs.Factory(dict)

    def send(self, *frames: bytes) -> None:
        """Send frames in one write."""
        self.client.send(b"".join(frames))

    def headers(
        self, stream: int, head: Sequence[Field], *, flags: int = 0x5, cut: int = 0
    ) -> bytes:
        """Write a HEADERS frame, by default with END_STREAM and END_HEADERS."""
        block = self.encoder.encode(head, huffman=False)
        return frame(1, flags, stream, block[: len(block) - cut])

    def until(self, kind: int, stream: int | None = None) -> tuple[int, bytes]:
        """Read up to the next frame of a kind; return its flags and payload."""
        while True:
            found = self.read()
            if found[0] == kind and stream in {None, found[2]}:
                return found[1], found[3]

    def read(self) -> tuple[int, int, int, bytes]:
        """Read and keep a frame: kind, flags, stream, payload."""
        head = self.client.exactly(9)
        payload = self.client.exactly(int.from_bytes(head[:3], "big"))
        found = (head[3], head[4], int.from_bytes(head[5:9], "big"), payload)
        self.frames.append(found)
        if found[0] == HEADERS:
            (_, status), *_ = self.decoder.decode(payload, raw=True)
            self.statuses[found[2]] = bytes(status)
        return found

    def farewell(self) -> int:
        """Read up to the last GOAWAY, after which the connection must end; return its code."""
        with pytest.raises(Ended) as end:
            self.until(NEVER)
        assert end.value.how == "fin"
        (*_, last) = [payload for kind, *_, payload in self.frames if kind == GOAWAY]
        return int.from_bytes(last[4:8], "big")

    def close(self) -> None:
        """End the connection."""
        self.client.close()


def raw_h2(port: int) -> RawHttp2:
    """Connect by TLS and begin."""
    client = connect_tls(port, "any.test", h2_context())
    client.send(PREFACE + frame(SETTINGS, 0, 0))
    return RawHttp2(client)


def head_of(
    host: bytes, *fields: Field, method: bytes = b"GET", path: bytes = b"/"
) -> list[Field]:
    """Return the head of a request."""
    return [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", host),
        (b":path", path),
        *fields,
    ]
