"""A proxy or backend as a process: how it is started, and where it listens."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from attrs import frozen

from benchmarks import ingress
from benchmarks.loads import Client, Load
from benchmarks.measure import BenchmarkError

START_SECONDS = 120.0  # a hundred thousand routes take their time


@frozen
class Peer:
    """
    A proxy: how it is started and where it listens.

    ``tunnel_port`` is where it passes bytes without looking at them, for those that can;
    ``admin_port`` where it tells by ``/readyz`` that it serves, for those that listen earlier.
    ``loads``: it is measured in these only, if any are named.
    """

    name: str
    command: tuple[str, ...]
    http_port: int
    https_port: int = 0
    tunnel_port: int = 0
    admin_port: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    loads: tuple[str, ...] = ()

    def port(self, load: Load) -> int:
        """Return where *load* goes."""
        if load.client is Client.TUNNELS and self.tunnel_port:
            return self.tunnel_port
        return self.https_port if load.is_tls else self.http_port


def start(peer: Peer, folder: Path, core: int) -> subprocess.Popen[bytes]:
    """
    Start a peer on one core and wait until it serves.

    Raises:
        BenchmarkError: It ended, or does not serve in time; its last words are in the text.
    """
    log = folder / f"{peer.name.replace('/', '-')}.out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("taskset", "-c", str(core), *peer.command),
            cwd=folder,
            env=os.environ | dict(peer.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _serves(peer):
        if process.poll() is not None or time.monotonic() > deadline:
            ingress.stop(process)
            words = log.read_text(errors="replace").strip().splitlines()[-3:]
            msg = f"{peer.name} does not start: {' / '.join(words)}"
            raise BenchmarkError(msg)
        time.sleep(0.05)
    return process


def _serves(peer: Peer) -> bool:
    return ingress.is_ready(peer.admin_port) if peer.admin_port else _accepts(peer.http_port)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
