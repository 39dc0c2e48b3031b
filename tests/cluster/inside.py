"""The program and a client inside a network namespace."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from tests.assembly.program import Program
from tests.cluster.network import Network


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
