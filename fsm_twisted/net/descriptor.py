"""
A connected stream socket as reactor citizen, transport, producer and consumer in one.

Twisted's split into transport and protocol, and its write-later buffering, cost more than the
proxying itself; here `write` sends at once and queues only what the kernel refuses. `write_soon`
sends at the end of the turn, together with what others have to send.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet import main

from fsm_twisted.net.consumer import Consumer
from fsm_twisted.net.hot_methods import own_copies
from fsm_twisted.net.loop import EventLoop, outbox_of
from fsm_twisted.net.stream import Inflow, Stream, hold_packets, reset_at_close

HIGH_WATER_BYTES = 256 * 1024
_SEND_BYTES = 256 * 1024


class Descriptor(Consumer):
    """
    A connection on the reactor; subclasses say what its bytes mean.

    A subclass implements `data_received`, `input_ended` and `closed`. It may be paused
    (`pauseProducing`) and it pauses its own *producer* when more than `HIGH_WATER_BYTES` wait to
    be sent. `deadline` belongs to the sweep: seconds on its clock after which `expired` is called.
    """

    __slots__ = (
        "_fd",
        "_finishing",
        "_inflow",
        "_loop",
        "_out",
        "_outbox",
        "_pending",
        "_reading",
        "_recv",
        "_send",
        "_socket",
        "_soon",
        "_stream",
        "deadline",
        "is_closed",
        "read_bytes",
    )

    READ_BYTES = 16 * 1024
    # Twisted asks both names before it tells of a lost connection.
    disconnected = False
    connected = True

    def __init__(self, loop: EventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._out: bytearray | None = None
        self._outbox = outbox_of(loop)
        self._soon = b""
        self._inflow: Inflow | None = None
        self._reading = False
        self.read_bytes = self.READ_BYTES
        self._finishing = False
        self.is_closed = False
        self.deadline = float("inf")

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        own_copies(cls, ("doRead", "write", "write_soon", "_send_soon", "flush"), _COMPILED)

    def attach(self, sock: socket.socket, stream: Stream) -> None:
        """Take over a connected, non-blocking socket; reading begins with `resumeProducing`."""
        self._socket = sock
        self._fd = sock.fileno()
        self._stream = stream
        self._recv = stream.recv
        self._send = stream.send
        self._pending = stream.pending

    # What subclasses say

    def data_received(self, data: bytes) -> None:
        """Take the next bytes of the input, never empty."""
        raise NotImplementedError

    def input_ended(self) -> None:
        """Learn that the peer sends no more; its output side may still be open."""
        raise NotImplementedError

    def closed(self) -> None:
        """Learn, exactly once, that the connection is gone."""
        raise NotImplementedError

    def output_drained(self) -> None:
        """Learn that everything written has been handed to the kernel after a wait."""

    def output_progressed(self) -> None:
        """Learn that some, not all, of the waiting output has been sent."""

    def output_failed(self) -> None:
        """Learn, in a turn of its own, that the peer takes no more; the default closes."""
        self.connectionLost(main.CONNECTION_LOST)

    def output_ended(self) -> None:
        """Learn that `finish` has done its part; the default closes the connection."""
        self.close()

    def expired(self) -> None:
        """Learn that `deadline` has passed; the default gives up the connection."""
        self.abort()

    # What Twisted calls

    def fileno(self) -> int:
        """Return the socket's number, valid until `closed`."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return type(self).__name__

    def doRead(self) -> Exception | None:
        """Read once (until the TLS layer is empty) and hand the bytes on."""
        is_reading = self._reading
        if not is_reading:
            # Paused by what another descriptor of this poll has said.
            return None
        while True:
            recv = self._recv
            try:
                data = recv(self.read_bytes)
            except BlockingIOError:
                return None
            except OSError:
                return main.CONNECTION_LOST
            if not data:
                self._stop_reading()
                self.input_ended()
                return None
            self.data_received(data)
            if self._pending is None or not self._reading or self.is_closed or not self._pending():
                return None

    def doWrite(self) -> Exception | None:
        """Send what waits; tell producer and subclass when it is gone."""
        out = self._out
        if out is not None:
            try:
                sent = self._send(memoryview(out)[:_SEND_BYTES])
            except BlockingIOError:
                return None
            except OSError:
                self.drop_output()
                return None
            if sent < len(out):
                del out[:sent]
                self.output_progressed()
                return None
            self._out = None
        inflow = self._inflow
        if inflow is not None and not inflow.push():
            return None
        self._loop.removeWriter(self)
        if self._finishing:
            self._end_output()
            return None
        self._resume_producer()
        self.output_drained()
        if inflow is not None:
            inflow.settle()
        return None

    def drop_output(self) -> None:
        """Discard what waits and all that follows; the input may still hold a last answer."""
        self._send = len
        self._end_inflow()
        self._out = None
        if not self.is_closed:
            self._loop.removeWriter(self)
            self._loop.callLater(0, self.output_failed)

    def connectionLost(self, reason: object) -> None:
        """Release everything; `closed` tells the subclass."""
        if self.is_closed:
            return
        self.is_closed = True
        self.deadline = float("inf")
        if self._reading:
            self._reading = False
            self._loop.removeReader(self)
        self._loop.removeWriter(self)
        self._out, self._soon = None, b""
        self._end_inflow()
        producer, self._producer = self._producer, None
        try:
            self.closed()
        finally:
            if producer is not None and self._producer_paused:
                self._producer_paused = False
                producer.resumeProducing()
            self._recv = self._send = _gone
            self._socket.close()

    # Twisted's words for a connection that is lost in one direction.
    readConnectionLost = writeConnectionLost = connectionLost

    # Output

    def write(self, data: bytes) -> None:
        """Send *data*, or queue what the kernel refuses; errors surface as `closed`, later."""
        out = self._out
        if out is None:
            self._soon += data
            self._send_soon()
        elif not self.is_closed:
            out += data
            if len(out) > HIGH_WATER_BYTES:
                self._pause_producer()

    def _queue(self, data: bytes, sent: int) -> None:
        """Have the rest of *data* wait for the kernel, behind so many bytes."""
        self._out = out = bytearray(memoryview(data)[sent:])
        self._loop.addWriter(self)
        self.output_progressed()
        if len(out) > HIGH_WATER_BYTES:
            self._pause_producer()

    def write_soon(self, data: bytes) -> None:
        """Send *data* at the end of this turn; no later `write` or close overtakes it."""
        if self._outbox is None or self._soon or self._out is not None:
            self.write(data)
        else:
            self._soon = data
            self._outbox.append(self)

    def _send_soon(self) -> None:
        """Send now what was to be sent at the end of the turn."""
        data = self._soon
        if data:
            self._soon = b""
            send = self._send
            try:
                sent = send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                # The caller is in the middle of something: never call back into it from here.
                self.drop_output()
                return
            if sent != len(data):
                self._queue(data, sent)

    # What the reactor calls at the end of the turn; a subclass may have more to do then.
    flush = _send_soon

    @property
    def has_output(self) -> bool:
        """Whether bytes wait for the kernel."""
        return self._out is not None or (self._inflow is not None and self._inflow.is_waiting)

    @property
    def output_has_failed(self) -> bool:
        """Whether the peer takes no more; only its input may still hold something."""
        return self._send is len

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the kernel that nothing should be added."""
        return self._out is not None and len(self._out) > HIGH_WATER_BYTES

    # Input

    def pauseProducing(self) -> None:
        """Stop reading until `resumeProducing`."""
        self._stop_reading()

    def resumeProducing(self) -> None:
        """Read (again)."""
        if self._reading or self.is_closed:
            return
        self._reading = True
        self._loop.addReader(self)
        if self._pending is not None and self._pending():
            # Bytes inside the TLS layer make no socket readable.
            self._loop.callLater(0, self._read_pending)

    def _read_pending(self) -> None:
        if self._reading and not self.is_closed:
            why = self.doRead()
            if why is not None:
                self.connectionLost(why)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.removeReader(self)

    # Past this process (net.splice)

    @property
    def plain_connection(self) -> Descriptor | None:
        """This one, unless its bytes go through TLS."""
        return self if self._pending is None else None

    @property
    def is_reading(self) -> bool:
        """Whether it is not paused."""
        return self._reading

    def divert(self, recv: Callable[[int], bytes] | None) -> Callable[[int], bytes]:
        """Read by *recv*, None for the stream's own way, which is returned."""
        own = self._stream.recv
        if not self.is_closed:
            self._recv = own if recv is None else recv
        return own

    def discard_input(self) -> None:
        """Read below TLS from now on: nothing will be made of it."""
        if not self.is_closed:
            self._recv = self._socket.recv

    def feed_from(self, inflow: Inflow | None) -> None:
        """Ask *inflow* for more whenever something can be written, behind what is here now."""
        self.flush()
        self._inflow = inflow

    def _end_inflow(self) -> None:
        inflow, self._inflow = self._inflow, None
        if inflow is not None:
            inflow.end()

    def hold_back(self) -> None:
        """Have the producer wait until all can be written that waits here."""
        self._loop.addWriter(self)
        self._pause_producer()
        self.output_progressed()

    # The end

    def finish(self) -> None:
        """Send what waits, then end our output; the peer's end or a deadline closes the rest."""
        if self._finishing or self.is_closed:
            return
        if self._soon:  # it leaves in one packet with close_notify and FIN
            hold_packets(self._socket)
        self.flush()
        self._finishing = True
        if not self.has_output:
            self._end_output()

    def _end_output(self) -> None:
        try:
            self._stream.end_output()
        except BlockingIOError:
            self._loop.addWriter(self)
            return
        self.output_ended()

    def close(self) -> None:
        """Close now, politely for TLS; what waits is lost."""
        if not self.is_closed:
            self.flush()
            if not self.has_output and not self._finishing:
                with suppress(BlockingIOError):
                    self._stream.end_output()
            self.connectionLost(main.CONNECTION_DONE)

    def abort(self) -> None:
        """Close with RST, so that the peer cannot take the message for a complete one."""
        if self.is_closed:
            return
        reset_at_close(self._socket)
        self.connectionLost(main.CONNECTION_LOST)


_COMPILED: Mapping[Callable[..., Any], Any] = {}
try:
    from fsm_twisted.net._speedups import hot_methods
except ImportError:
    pass
else:
    _COMPILED = {
        getattr(Descriptor, name): method
        for name, method in hot_methods(Descriptor, main.CONNECTION_LOST).items()
    }


def _gone(_: object) -> Any:
    raise ConnectionResetError
