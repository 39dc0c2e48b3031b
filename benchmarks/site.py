"""What backend and proxies share: a folder, ports, a certificate, and the rules that they obey."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from benchmarks.loads import TLS_HOST
from benchmarks.measure import BenchmarkError

LISTENING_PORTS = range(12_000, 32_000)
# Debian keeps daemons where the path of a user does not lead; pip puts peers beside Python.
PLACES = (str(Path(sys.executable).parent), "/usr/sbin", "/sbin")


@frozen
class Rule:
    """A host and the path prefixes that lead to the backend."""

    host: str
    paths: tuple[str, ...] = ("/",)


@frozen
class Site:
    """
    One set-up of all peers: a folder of its own, the backend's ports, certificate and rules.

    ``backend_port`` speaks HTTP; ``socket_port`` speaks WebSocket and gets what asks for
    ``/socket`` on the first host.
    """

    folder: Path
    backend_port: int
    socket_port: int
    certificate: Path
    key: Path
    rules: tuple[Rule, ...]


def missing_programs(names: Sequence[str]) -> tuple[str, ...]:
    """Return those programs that are not here."""
    return tuple(name for name in names if _find(name) is None)


def program(name: str) -> str:
    """Return the path of a program, or its name where there is none."""
    return _find(name) or name


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *PLACES)))


def free_port() -> int:
    """
    Return a port that nobody listens on now.

    It lies below those that the system gives to outgoing connections: with thousands of these, one
    of them would soon take a port between our asking for it and the listening of a proxy.
    """
    for port in random.SystemRandom().sample(LISTENING_PORTS, 100):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                sock.bind(("127.0.0.1", port))
                sock.listen()
                return port
    msg = f"no free port among {LISTENING_PORTS}"
    raise BenchmarkError(msg)


def make_certificate(folder: Path, host: str = TLS_HOST) -> tuple[Path, Path]:
    """Write an ECDSA certificate for *host*; return its path and that of its key."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    command = [
        program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "7", "-subj", f"/CN={host}",
        "-addext", f"subjectAltName=DNS:{host}", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (folder / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    return certificate, key
