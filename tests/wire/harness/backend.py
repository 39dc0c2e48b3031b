"""A backend that plays a script, byte for byte, and records what it was sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from tests.wire.harness.message import (
    PATIENCE,
    Ended,
    Request,
    Stream,
    read_request,
    read_request_head,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Served(Stream):
    """One connection from the proxy; ``how`` is set once the proxy has ended it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, PATIENCE)
        self.requests: list[Request] = []
        self.how: str | None = None
        self.fault: BaseException | None = None
        self.done = threading.Event()
        self.changed = threading.Condition()

    def request(self) -> Request:
        """Read and record a whole request."""
        return self._record(read_request(self))

    def request_head(self) -> Request:
        """Read and record a head alone."""
        return self._record(read_request_head(self))

    def _record(self, request: Request) -> Request:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        return request

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        try:
            self.sock.sendall(data)
        except ConnectionError as error:
            raise Ended("reset", b"") from error

    def linger(self) -> bytes:
        """Wait until the proxy ends the connection; return what came till then."""
        data, self.how = self.rest()
        return data

    def half_close(self) -> None:
        """End our direction."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Ended("reset", b"") from error

    def reset(self) -> None:
        """End with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_ended(self, seconds: float = PATIENCE) -> str | None:
        """Wait for the end of the script; return how the proxy ended the connection."""
        assert self.done.wait(seconds), "the proxy keeps the connection open"
        return self.how


Script = Callable[[Served], None]


def answering(*responses: bytes) -> Script:
    """Answer requests in order, the last response again and again."""

    def run(served: Served) -> None:
        left = list(responses)
        while True:
            served.request()
            served.send(left.pop(0) if len(left) > 1 else left[0])

    return run


def once(response: bytes, after: Callable[[Served], object] = Served.linger) -> Script:
    """Answer one request; then *after*, by default wait for the proxy to end it."""

    def run(served: Served) -> None:
        served.request()
        if response:
            served.send(response)
        after(served)

    return run


def closing(response: bytes) -> Script:
    """Answer one request and close."""
    return once(response, lambda _: None)


class Backend:
    """A port that is refused until `serve` is called."""

    def __init__(self) -> None:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.connections: list[Served] = []
        self._scripts: list[Script] = []
        self._changed = threading.Condition()
        self._listens = False

    def serve(self, *scripts: Script) -> Self:
        """Play the scripts, one a connection, the last again and again."""
        self._scripts = list(scripts)
        if not self._listens:
            self.listener.listen(128)
            self._listens = True
            threading.Thread(target=self._accept, daemon=True).start()
        return self

    def answer(self, *responses: bytes) -> Self:
        """Serve every connection by `answering`."""
        return self.serve(answering(*responses))

    @property
    def requests(self) -> list[Request]:
        """All requests so far, connection by connection."""
        return [request for served in self.connections for request in served.requests]

    def connection(self, index: int = 0, seconds: float = PATIENCE) -> Served:
        """Wait for the connection of that number."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.connections) > index, seconds)
        assert arrived, "the proxy has not connected"
        return self.connections[index]

    def wait_request(self, index: int = 0, connection: int = 0) -> Request:
        """Wait for a request (its head at least) on a connection."""
        served = self.connection(connection)
        with served.changed:
            arrived = served.changed.wait_for(lambda: len(served.requests) > index, PATIENCE)
        assert arrived, f"no request came: {bytes(served.received)!r}"
        return served.requests[index]

    def stop(self) -> list[BaseException]:
        """End all connections; return the faults that scripts have met."""
        with self._changed:
            self._scripts = []
            served, self.connections = self.connections, []
        for each in served:
            with contextlib.suppress(OSError):
                each.sock.shutdown(socket.SHUT_RDWR)
            each.done.wait(5)
        return [each.fault for each in served if each.fault]

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            served = Served(sock)
            with self._changed:
                scripts = self._scripts
                if not scripts:
                    sock.close()
                    continue
                script = scripts[min(len(self.connections), len(scripts) - 1)]
                self.connections.append(served)
                self._changed.notify_all()
            threading.Thread(target=self._play, args=(script, served), daemon=True).start()

    def greeted(self, served: Served) -> bool:
        """Make a new connection ready for its script; False when there is nothing to play."""
        del served
        return True

    def _play(self, script: Script, served: Served) -> None:
        try:
            if self.greeted(served):
                script(served)
        except Ended as end:
            served.how = end.how
        except OSError as error:
            if served.sock.fileno() >= 0 and self._scripts:
                served.fault = error
        except BaseException as error:  # noqa: BLE001 - handed to the test by `stop`
            if self._scripts:  # else we have ended the connection under its hands
                served.fault = error
        finally:
            served.sock.close()
            served.done.set()
