"""
The nursery: a small process without a reactor that forks workers when the master says so.

Started as ``python -m fsm_twisted.workers.nursery FD``: FD is a packet socket to the master, the
plan is on standard input. TLS contexts are made here, before any fork, so that all workers share
the keys of session tickets (D3b). It ends when the master's end of the socket closes; its workers
go on, each with a channel of its own.

Packets are text. ``fork N`` comes with the channel of worker N; ``forked N PID``,
``failed N REASON`` and ``ended PID STATUS`` (exit code, or minus the signal) go back.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from fsm_twisted.workers import child
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.road import make_tls
from fsm_twisted.workers.shares import Shares

PACKET_BYTES: Final = 512


class Nursery:
    """
    Forks and reaps.

    Args:
        control: The packet socket to the master.
        plan: What all workers obey.
    """

    def __init__(self, control: socket.socket, plan: Plan) -> None:
        self._control = control
        self._plan = plan
        self._fronts = plan.fronts()
        self._tls = make_tls(plan.default_certificate, self._fronts, plan.options)
        self._shares = Shares(plan.workers)
        self._numbers: dict[int, int] = {}
        self._wake, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Obey until the master is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        # Workers share these pages as long as nobody counts references in them.
        gc.collect()
        gc.freeze()
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd == self._wake:
                    self._reap()
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        data, fds, *_ = socket.recv_fds(self._control, PACKET_BYTES, 1)
        if not data:
            return False
        word, _, number = data.decode("ascii").partition(" ")
        if word == "fork" and fds:
            with socket.socket(fileno=fds[0]) as channel:
                self._fork(int(number), channel)
        return True

    def _fork(self, number: int, channel: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(f"failed {number} {error.strerror}")
            return
        if pid == 0:
            self._become_worker(number, channel)
        self._numbers[pid] = number
        self._tell(f"forked {number} {pid}")

    def _become_worker(self, number: int, channel: socket.socket) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._wake)
            os.close(self._wakes)
            is_ahead = partial(self._shares.is_ahead, number) if self._plan.workers > 1 else None
            child.run(channel, self._plan, self._fronts, self._tls, is_ahead, number)
            status = 0
        except BaseException:  # noqa: BLE001  nothing may return into the nursery's own loop
            traceback.print_exc()
        finally:
            os._exit(status)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake, PACKET_BYTES):
                pass
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                self._shares.leave(self._numbers.pop(pid))
                self._tell(f"ended {pid} {os.waitstatus_to_exitcode(status)}")

    def _tell(self, text: str) -> None:
        # A master that is gone, or does not read, must not keep the nursery.
        with suppress(OSError):
            self._control.send(text.encode(), socket.MSG_DONTWAIT)


def main(arguments: list[str]) -> None:
    """
    Run the nursery.

    SIGINT, SIGTERM and SIGHUP come blocked from the master, and stay so in all workers: terminals
    and service managers signal the whole group, but only the master decides.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=int(arguments[0]))
    plan = Plan.from_bytes(sys.stdin.buffer.read())
    Nursery(control, plan).run()


if __name__ == "__main__":
    main(sys.argv[1:])
