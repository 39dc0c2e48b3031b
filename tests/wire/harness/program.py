"""The program under test, started as users start it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.ports import free_ports

TWISTD = str(Path(sys.executable).with_name("twistd"))


@attrs.define
class Program:
    """A running program; `stop` ends it by SIGTERM and insists on exit code 0."""

    process: subprocess.Popen[bytes]
    http: int
    https: int
    admin: int
    log_path: Path
    checked: bool = False

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def resident_kib(self) -> int:
        """Return the resident memory in KiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") // 1024

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, user and system."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 15.0) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """Drain and check that the end is clean."""
        if self.process.poll() is None:
            self.terminate()
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.log[-2000:]}"
        self.check_log()

    def check_log(self) -> None:
        """No fault of the program may show in its log."""
        log = self.log
        at = max(log.find("Traceback"), log.find("Unhandled"))
        assert at < 0, log[max(0, at - 300) : at + 3000]


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file that somebody is writing, of the last one no mere part."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def is_ready(admin: int) -> bool:
    """Ask /readyz once."""
    try:
        with socket.create_connection(("127.0.0.1", admin), 2) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return sock.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def command(manifests: Path, *options: str) -> list[str]:
    """Write the command line."""
    return [
        TWISTD,
        "--nodaemon",
        "--pidfile=",
        "fsm-ingress",
        "--manifests",
        str(manifests),
        *options,
    ]


def start(manifests: Path, log_path: Path, *options: str, seconds: float = 30.0) -> Program:
    """
    Start the program on free ports and wait until it is ready.

    In one process unless *options* say otherwise: then there is one pool, and one memory. A port
    may be gone by the time it is bound; then others are taken.
    """
    if "--workers" not in options:
        options = ("--workers", "0", *options)
    for _ in range(3):
        program = _launch(manifests, log_path, options)
        deadline = time.monotonic() + seconds
        while program.process.poll() is None and time.monotonic() < deadline:
            if is_ready(program.admin):
                return program
            time.sleep(0.02)
        program.process.kill()
        program.process.wait()
        if "Address already in use" not in program.log:
            break
    raise AssertionError(f"did not start: {program.log[-3000:]}")


def _launch(manifests: Path, log_path: Path, options: tuple[str, ...]) -> Program:
    ports = free_ports(3)
    listeners = [
        word
        for name, port in zip(("--http", "--https", "--admin"), ports, strict=True)
        for word in (name, f"tcp:{port}:interface=127.0.0.1")
    ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command(manifests, *listeners, *options), stdout=log, stderr=subprocess.STDOUT
        )
    http, https, admin = ports
    return Program(process, http, https, admin, log_path)


@contextlib.contextmanager
def running(manifests: Path, log_path: Path, *options: str) -> Iterator[Program]:
    """Run the program for a while; its end is checked too."""
    program = start(manifests, log_path, *options)
    try:
        yield program
        program.stop()
    finally:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()
