"""An HTTP/2 endpoint on the package h2, which is not ours, to be played as a backend's script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from tests.wire.harness.backend import Script, Served
from tests.wire.harness.message import Field

OK = ((b":status", b"200"),)


@attrs.define
class Asked:
    """What has come on one stream; ``reset`` is the code of a RST_STREAM."""

    number: int
    fields: tuple[Field, ...] = ()
    body: bytearray = attrs.Factory(bytearray)
    trailers: tuple[Field, ...] = ()
    ended: bool = False
    reset: int | None = None

    def all(self, name: bytes) -> list[bytes]:
        """Return all values of a field in their order."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field that may not be repeated."""
        values = self.all(name)
        assert len(values) < 2, f"{name!r} is repeated"
        return values[0] if values else None


class Http2Server:
    """One connection from the proxy; windows open by themselves unless ``reads`` is False."""

    def __init__(self, served: Served, settings: dict[int, int] | None = None) -> None:
        self.served = served
        self.reads = True
        self.asked: dict[int, Asked] = {}
        self.farewells: list[ConnectionTerminated] = []
        self.pings = 0
        config = H2Configuration(
            client_side=False, header_encoding=None, validate_outbound_headers=False
        )
        self.h2 = H2Connection(config)
        if settings:
            self.h2.local_settings.update(settings)
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what h2 has written."""
        data = self.h2.data_to_send()
        if data:
            self.served.send(data)

    def raw(self, data: bytes) -> None:
        """Send bytes that h2 would never write."""
        self.flush()
        self.served.send(data)

    def pump(self) -> None:
        """Read once, and act on it."""
        self.served.fill()
        data = self.served.exactly(len(self.served.pending()))
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()

    def settle(self) -> None:
        """Wait until the proxy has acted on all that was sent: it answers a PING behind that."""
        before = self.pings
        self.h2.ping(bytes(8))
        self.flush()
        self.until(lambda: self.pings > before)

    def until(self, met: Callable[[], bool]) -> None:
        """Read until *met*."""
        while not met():
            self.pump()

    def request(self, index: int = 0) -> Asked:
        """Wait for the whole request of that number on this connection."""
        self.until(lambda: len(self.asked) > index)
        asked = tuple(self.asked.values())[index]
        self.until(lambda: asked.ended or asked.reset is not None)
        return asked

    def head(self, index: int = 0) -> Asked:
        """Wait for the head of the request of that number."""
        self.until(lambda: len(self.asked) > index)
        return tuple(self.asked.values())[index]

    def answer(
        self,
        number: int,
        body: bytes = b"",
        fields: Sequence[Field] = (),
        trailers: Sequence[Field] = (),
    ) -> None:
        """Send a whole answer, as the windows open."""
        self.h2.send_headers(number, (*OK, *fields), end_stream=not (body or trailers))
        left = memoryview(body)
        while left:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                self.flush()
                self.pump()
                continue
            piece, left = left[:room], left[room:]
            self.h2.send_data(number, bytes(piece), end_stream=not (left or trailers))
        if trailers:
            self.h2.send_headers(number, tuple(trailers), end_stream=True)
        self.flush()

    def reset(self, number: int, code: int) -> None:
        """Send RST_STREAM."""
        self.h2.reset_stream(number, code)
        self.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.farewells.append(event)
        elif isinstance(event, PingAckReceived):
            self.pings += 1
        number = getattr(event, "stream_id", None)
        if isinstance(event, RequestReceived):
            fields = tuple((bytes(k), bytes(v)) for k, v in event.headers)
            self.asked[event.stream_id] = Asked(event.stream_id, fields)
        elif number in self.asked:
            self._add(self.asked[number], event)

    def _add(self, asked: Asked, event: Event) -> None:
        match event:
            case DataReceived():
                asked.body += event.data
                if self.reads and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, asked.number)
            case TrailersReceived():
                asked.trailers = tuple((bytes(k), bytes(v)) for k, v in event.headers)
            case StreamEnded():
                asked.ended = True
            case StreamReset():
                asked.reset = int(event.error_code)


def speaking(play: Callable[[Http2Server], None], **settings: int) -> Script:
    """Make a script that speaks HTTP/2, with *settings* by name of `SettingCodes`."""
    from h2.settings import SettingCodes

    codes = {int(SettingCodes[name.upper()]): value for name, value in settings.items()}

    def run(served: Served) -> None:
        play(Http2Server(served, codes))

    return run


def echoing(server: Http2Server) -> None:
    """Answer every request with its body, in order of their ends, until the proxy leaves."""
    done: set[int] = set()
    while True:
        for asked in tuple(server.asked.values()):
            if asked.ended and asked.number not in done:
                done.add(asked.number)
                server.answer(asked.number, bytes(asked.body))
        server.pump()
