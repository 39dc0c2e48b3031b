"""The program as users start it; on free ports, which its own log tells."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import attrs

TWISTD = str(Path(sys.executable).with_name("twistd"))
SECONDS = 60.0  # a busy machine takes twenty to start a program; no promise is meant
LISTENING = re.compile(r"listening: (\w+) on (\S+)")
FREE = ("--http", "tcp:0:interface=127.0.0.1", "--admin", "tcp:0:interface=127.0.0.1")


def until(is_so: Callable[[], object], otherwise: Callable[[], str] = str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain: {otherwise()}"
        time.sleep(0.01)


@attrs.define
class Program:
    """A running program; a daemon is nobody's process."""

    process: subprocess.Popen[bytes] | None
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def listening(self) -> list[tuple[str, str]]:
        """What its ready lines say: kind and address."""
        return LISTENING.findall(self.log)

    @property
    def is_ready(self) -> bool:
        return "admin" in dict(self.listening) and self.ask("/readyz") == (200, b"ok\n")

    def port(self, kind: str) -> int:
        """Return the port of the first listener of a kind."""
        return next(int(address.split(":")[1]) for each, address in self.listening if each == kind)

    def ask(self, path: str, kind: str = "admin", method: str = "GET") -> tuple[int, bytes]:
        """Send a request; return status and body."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port(kind), timeout=10)
        ) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end and return the exit code; a fault in the log is one of the test."""
        assert self.process is not None
        code = self.process.wait(SECONDS)
        assert "Traceback" not in self.log, self.log
        assert "Unhandled" not in self.log, self.log
        return code


def command(folder: Path, *options: str, twistd: tuple[str, ...] = ()) -> list[str]:
    """Write the command line of a program that serves an empty folder."""
    (folder / "manifests").mkdir(exist_ok=True)
    given = twistd or ("--nodaemon", "--pidfile=")
    has_source = "--manifests" in options or "--kubeconfig" in options
    source = () if has_source else ("--manifests", str(folder / "manifests"))
    return [TWISTD, *given, "fsm-ingress", *source, *options]


@contextlib.contextmanager
def running(
    folder: Path,
    *options: str,
    twistd: tuple[str, ...] = (),
    terminal: int | None = None,
    activated: int | None = None,
) -> Iterator[Program]:
    """
    Run the program in the foreground until it is ready, and then for a while.

    It has a session of its own, and *terminal* is the one that can hang up on it. *activated* is
    a listening socket that it gets as from systemd.
    """
    begin = ("sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0')
    log_path = folder / "stderr"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(() if activated is None else begin),
                *command(folder, *FREE, *options, twistd=twistd),
            ],
            stdin=terminal if activated is None else activated,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            preexec_fn=partial(_begin, has_terminal=terminal is not None),  # noqa: PLW1509
        )
    program = Program(process, log_path)
    try:
        until(lambda: program.is_ready or process.poll() is not None, lambda: program.log)
        assert process.poll() is None, program.log
        yield program
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _begin(*, has_terminal: bool) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    if has_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def failing(folder: Path, *options: str, twistd: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run a program that does not start; return its exit code and what it has said."""
    ended = subprocess.run(
        command(folder, *options, twistd=twistd),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stderr


def words(said: str) -> list[str]:
    """Return what is said to the operator: all but twistd's two lines about itself."""
    return [
        line
        for line in said.splitlines()
        if not line.endswith(" starting up.") and "reactor class: " not in line
    ]
