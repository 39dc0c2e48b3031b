"""The program and a client inside a network namespace."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.assembly.program import TWISTD, Program
from tests.cluster.network import Network

PROGRAM = (TWISTD, "-n", "--pidfile=", "fsm-ingress")
# In a mount namespace of its own, so that nobody else sees the account.
_MOUNT = """
place=/var/run/secrets/kubernetes.io
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p "$place"
ln -s "$0" "$place/serviceaccount"
exec "$@"
"""


@attrs.frozen
class Answer:
    """What a client in the namespace was answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def echo(self) -> Any:
        """What a pod's echo says of the request."""
        return json.loads(self.body)


@attrs.define
class PodProgram(Program):
    """The program inside the namespace; `ask` asks there."""

    network: Network = attrs.field(kw_only=True)

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def ask(self, path: str, kind: str = "admin", method: str = "GET") -> tuple[int, bytes]:
        _, address = next(each for each in self.listening if each[0] == kind)
        _, port, interface = (*address.split(":"), "interface=127.0.0.1")[:3]
        with self.network:
            connection = http.client.HTTPConnection(
                interface.partition("=")[2], int(port), timeout=10
            )
            with contextlib.closing(connection):
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, answer.read()


@contextlib.contextmanager
def launched(
    network: Network, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[PodProgram]:
    """Run the program in *network*; its log goes to *folder*."""
    log_path = folder / "program.log"
    with log_path.open("wb") as log, network:
        process = subprocess.Popen(command, stderr=log, cwd=folder, env=dict(environment))
    try:
        yield PodProgram(process, log_path, network=network)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def with_account(files: Path) -> tuple[str, ...]:
    """Return what goes before a command so that it finds *files* as its ServiceAccount."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-ec", _MOUNT, str(files))


def ask(
    network: Network,
    url: str,
    *,
    to: tuple[str, int],
    ca: Path | None,
    method: str,
    headers: Mapping[str, str],
) -> Answer:
    """Send a request, see `PodCluster.ask`."""
    scheme, _, rest = url.partition("://")
    host, _, target = rest.partition("/")
    with network:
        sock = socket.create_connection(to, timeout=10)
    if scheme == "https":
        context = ssl.create_default_context(cafile=str(ca))
        # The article's certificate has no SAN, which ssl would insist on.
        context.check_hostname = False
        sock = context.wrap_socket(sock, server_hostname=host.partition(":")[0])
    connection = http.client.HTTPConnection(host)
    connection.sock = sock
    with contextlib.closing(connection):
        connection.request(method, f"/{target}", headers=dict(headers))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())
