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

from benchmarks.measure import BenchmarkError

HOST = "bench.example.com"
_START_SECONDS = 20.0

_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: bench}
spec:
  ingressClassName: pipy
  tls: @TLS@
  rules:
@RULES@---
apiVersion: v1
kind: Service
metadata: {name: bench}
spec:
  ports: [{port: 80}]
---
"""

_RULE = """\
  - host: @HOST@
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: bench, port: {number: 80}}}
"""

# A slice has one port for all its endpoints; here each endpoint has its own, hence its own slice.
_SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bench-@PORT@, labels: {kubernetes.io/service-name: bench}}
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


def manifests(hosts: Sequence[str], endpoints: Sequence[int], tls: Tls | None = None) -> str:
    """
    Return manifests that lead every path of *hosts* to the endpoints.

    Args:
        hosts: Virtual hosts.
        endpoints: Ports on 127.0.0.1.
        tls: Makes one of the hosts a TLS host, with its Secret.
    """
    entries = "[]" if tls is None else f"[{{hosts: [{tls.host}], secretName: bench}}]"
    rules = "".join(_RULE.replace("@HOST@", host) for host in hosts)
    text = _INGRESS.replace("@TLS@", entries).replace("@RULES@", rules)
    text += "".join(_SLICE.replace("@PORT@", str(port)) for port in endpoints)
    if tls is not None:
        secret = _CERTIFICATE.replace("@CERTIFICATE@", _indented(tls.certificate))
        text += secret.replace("@KEY@", _indented(tls.key))
    return text


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
    while not _is_ready(ports.admin):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            words = log.read_text(errors="replace").strip().splitlines()[-3:]
            msg = f"the ingress does not start: {' / '.join(words)}"
            raise BenchmarkError(msg)
        time.sleep(0.05)
    return Running(process, ports)


def _is_ready(port: int) -> bool:
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
