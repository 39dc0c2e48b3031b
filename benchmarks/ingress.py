"""Our own ingress as a process under test: its manifests and its command line."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.loads import SOCKET_PATH
from benchmarks.measure import BenchmarkError
from benchmarks.site import Rule

HOST = "bench.example.com"
_START_SECONDS = 20.0

_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: @NAME@}
spec:
  ingressClassName: pipy
  tls: @TLS@
  rules:
  - host: @HOST@
    http:
      paths:
@PATHS@---
"""

_PATH = """\
      - {path: @PATH@, pathType: Prefix, backend: {service: {name: @SERVICE@, port: {number: 80}}}}
"""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: @SERVICE@}
spec:
  ports: [{port: 80}]
---
"""

# A slice has one port for all its endpoints; here each endpoint has its own, hence its own slice.
_SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: @SERVICE@-@PORT@, labels: {kubernetes.io/service-name: @SERVICE@}}
addressType: IPv4
ports: [{name: "", port: @PORT@}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
---
"""

_CERTIFICATE = """\
apiVersion: v1
kind: Secret
metadata: {name: bench}
type: kubernetes.io/tls
stringData:
  tls.crt: |
@CERTIFICATE@
  tls.key: |
@KEY@
"""


@frozen
class Tls:
    """A host with TLS and the PEM files of its certificate."""

    host: str
    certificate: Path
    key: Path


@frozen
class Ports:
    """Where one ingress listens."""

    http: int
    https: int
    admin: int


@frozen
class Running:
    """An ingress that answers."""

    process: subprocess.Popen[bytes]
    ports: Ports


def manifests(
    rules: Sequence[Rule], endpoints: Sequence[int], tls: Tls | None = None, socket_port: int = 0
) -> str:
    """
    Return manifests that lead the paths of *rules* to the endpoints; each host has its Ingress.

    Args:
        rules: Virtual hosts with their path prefixes.
        endpoints: Ports on 127.0.0.1.
        tls: Makes one of the hosts a TLS host, with its Secret.
        socket_port: Where ``/socket`` of the first host leads to, if anywhere.
    """
    parts = [_service("bench", endpoints)]
    for number, rule in enumerate(rules):
        served = [(path, "bench") for path in rule.paths]
        if socket_port and number == 0:
            served.append((SOCKET_PATH, "socket"))
            parts.append(_service("socket", (socket_port,)))
        secret = f"[{{hosts: [{rule.host}], secretName: bench}}]"
        paths = (
            _PATH.replace("@PATH@", path).replace("@SERVICE@", service) for path, service in served
        )
        parts.append(
            _INGRESS.replace("@NAME@", f"bench-{number}")
            .replace("@HOST@", rule.host)
            .replace("@TLS@", secret if tls is not None and tls.host == rule.host else "[]")
            .replace("@PATHS@", "".join(paths))
        )
    if tls is not None:
        secret = _CERTIFICATE.replace("@CERTIFICATE@", _indented(tls.certificate))
        parts.append(secret.replace("@KEY@", _indented(tls.key)))
    return "".join(parts)


def _service(name: str, ports: Sequence[int]) -> str:
    text = _SERVICE + "".join(_SLICE.replace("@PORT@", str(port)) for port in ports)
    return text.replace("@SERVICE@", name)


def _indented(path: Path) -> str:
    return "\n".join(f"    {line}" for line in path.read_text().splitlines())


def command(
    python: str, folder: Path, ports: Ports, options: Sequence[str] = ()
) -> tuple[str, ...]:
    """
    Return the command line that serves the manifests in *folder*.

    It is one process unless *options* say ``--workers``: the last one counts.
    """
    return (
        python, str(Path(python).parent / "twistd"), "--nodaemon", "--pidfile=", "fsm-ingress",
        "--manifests", str(folder), "--workers", "0", "--log-level", "error",
        "--http", f"tcp:{ports.http}:interface=127.0.0.1:backlog=4096",
        "--https", f"tcp:{ports.https}:interface=127.0.0.1:backlog=4096",
        "--admin", f"tcp:{ports.admin}:interface=127.0.0.1", *options,
    )  # fmt: skip


def launch(folder: Path, text: str, ports: Ports, options: Sequence[str] = ()) -> Running:
    """
    Start the ingress of the running interpreter and wait until it is ready.

    Raises:
        BenchmarkError: It ended, or is not ready in time.
    """
    served = folder / "manifests"
    served.mkdir()
    (served / "bench.yaml").write_text(text)
    log = folder / "ingress.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(sys.executable, served, ports, options),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not is_ready(ports.admin):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            words = log.read_text(errors="replace").strip().splitlines()[-3:]
            msg = f"the ingress does not start: {' / '.join(words)}"
            raise BenchmarkError(msg)
        time.sleep(0.05)
    return Running(process, ports)


def is_ready(port: int) -> bool:
    """Tell whether the ingress with this admin port is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return True
    except (OSError, urllib.error.HTTPError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we have started, by force after five seconds."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
