"""The nursery as the master sees it: a process that is started, asked to fork, and may die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from twisted.internet import main
from twisted.logger import Logger

from fsm_twisted.net.loop import EventLoop
from fsm_twisted.workers.plan import Plan

_log = Logger()

_PACKET_BYTES = 512

Forked = Callable[[int, int], None]
_GROUP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class NurseryProcess:
    """
    One nursery, on the reactor.

    Args:
        loop: The reactor.
        control: Our end of its packet socket.
        process: The process itself.
        forked: Told the number and the process id of each new worker.
        lost: Called once when it has died.
    """

    # Twisted asks both names before it tells of a lost connection.
    disconnected = False
    connected = True

    def __init__(
        self,
        loop: EventLoop,
        control: socket.socket,
        process: subprocess.Popen[bytes],
        forked: Forked,
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._control = control
        self._fd = control.fileno()
        self._process = process
        self._forked = forked
        self._lost = lost
        self._is_open = True
        loop.addReader(self)

    @classmethod
    def start(cls, loop: EventLoop, plan: Plan, forked: Forked, lost: Callable[[], None]) -> Self:
        """
        Start a fresh interpreter; it may be asked to fork at once.

        Raises:
            OSError: The system has no process or descriptor left.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                process = _spawn(its.fileno(), plan)
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)  # noqa: FBT003
        return cls(loop, ours, process, forked, lost)

    def fork(self, number: int, channel: socket.socket) -> None:
        """Have worker *number* forked; when that fails, *channel* closes at its other end."""
        try:
            socket.send_fds(self._control, [b"fork %d" % number], [channel.fileno()])
        except OSError as error:
            _log.error("cannot ask for a worker: {why}", why=error.strerror)

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return "NurseryProcess"

    def doRead(self) -> Exception | None:
        """Take one packet."""
        try:
            packet = self._control.recv(_PACKET_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not packet:
            return main.CONNECTION_DONE
        word, *rest = packet.decode("ascii", "replace").split(" ", 2)
        match word, rest:
            case "forked", [number, pid]:
                _log.debug("worker {number} is process {pid}", number=number, pid=pid)
                self._forked(int(number), int(pid))
            case "failed", [number, why]:
                _log.error("worker {number} cannot be forked: {why}", number=number, why=why)
            case "ended", [pid, status] if status != "0":
                _log.warn("process {pid} has ended: {how}", pid=pid, how=_how(status))
            case _:
                _log.debug("the nursery says: {text}", text=packet.decode("ascii", "replace"))
        return None

    def connectionLost(self, reason: object) -> None:
        """Clear up behind a nursery that has died."""
        if self._is_open:
            self.close()
            self._lost()

    readConnectionLost = writeConnectionLost = connectionLost

    def close(self) -> None:
        """End the nursery; its workers go on."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.removeReader(self)
        self._control.close()
        # Nothing is lost with it: all it holds are sockets that others hold as well.
        self._process.kill()
        self._process.wait()


def _how(status: str) -> str:
    if not status.startswith("-"):
        return f"exit code {status}"
    with suppress(ValueError):
        return signal.Signals(int(status[1:])).name
    return f"signal {status[1:]}"


def _spawn(control_fd: int, plan: Plan) -> subprocess.Popen[bytes]:
    # A file in memory: it holds keys, and nobody can open it by a name.
    with os.fdopen(os.memfd_create("plan"), "wb") as file:
        file.write(plan.to_bytes())
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        # Blocked signals stay blocked over exec; so there is no moment in which the nursery could
        # be ended by a signal that was meant for the master.
        mask: Any = signal.pthread_sigmask(signal.SIG_BLOCK, _GROUP_SIGNALS)
        try:
            return subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-P", "-m", "fsm_twisted.workers.nursery", str(control_fd)],
                stdin=file.fileno(),
                pass_fds=(control_fd, *(front.fd for front in plan.inherited)),
                # The same code as ours, wherever that was found.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_path())},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _path() -> list[str]:
    return [os.path.abspath(entry) for entry in sys.path]
