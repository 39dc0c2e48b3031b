"""A real API server full of Ingresses, Services and EndpointSlices, and changes of them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks.measure import BenchmarkError
from tests.cluster.control_plane import ADMIN, ControlPlane

NAMESPACES: Final = 50
_WRITERS: Final = 8
_FIRST_ERROR: Final = 300
_INGRESSES: Final = "/apis/networking.k8s.io/v1"
_SLICES: Final = "/apis/discovery.k8s.io/v1beta1"

Object = dict[str, Any]


def own_address() -> str:
    """
    Return an address of this machine that is not loopback: slices may hold no other.

    Raises:
        BenchmarkError: There is none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            address = "127.0.0.1"
        else:
            address = str(sock.getsockname()[0])
    if address.startswith("127."):
        raise BenchmarkError("this machine has no address but loopback: slices may not hold that")
    return address


def namespace(number: int) -> str:
    """Return where the objects of this number are."""
    return f"team-{number % NAMESPACES}"


def host(number: int) -> str:
    """Return the host of the Ingress of this number."""
    return f"app-{number}.example.com"


def ingress(number: int, *paths: str) -> Object:
    """Write an Ingress with these paths, all for one Service, as kubectl applies it."""
    backend = {"service": {"name": f"app-{number}", "port": {"number": 80}}}
    rule = [{"path": each, "pathType": "Prefix", "backend": backend} for each in paths]
    spec = {
        "ingressClassName": "pipy",
        "rules": [{"host": host(number), "http": {"paths": rule}}],
    }
    return _applied("networking.k8s.io/v1", "Ingress", number, spec)


def service(number: int) -> Object:
    """Write a Service as kubectl applies it."""
    spec = {
        "selector": {"app": f"app-{number}"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    }
    return _applied("v1", "Service", number, spec)


def endpoint_slice(number: int, address: str, port: int) -> Object:
    """Write a slice with one endpoint, as the controller of Kubernetes does."""
    target = {
        "kind": "Pod",
        "name": f"app-{number}-7d4b9c6f5-x2x7k",
        "namespace": namespace(number),
    }
    labels = {
        "kubernetes.io/service-name": f"app-{number}",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    return {
        "metadata": {"name": f"app-{number}-abcde", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}, "targetRef": target}
        ],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }


def _applied(version: str, kind: str, number: int, spec: Object) -> Object:
    metadata: Object = {"name": f"app-{number}", "labels": {"app": f"app-{number}"}}
    whole = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    last = json.dumps(whole)
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": last}
    return {"metadata": {**metadata, "annotations": annotations}, "spec": spec}


class Writer:
    """Writes objects as the administrator, over one connection that is kept."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(plane.ca.file("ca.crt")))
        self._connection = http.client.HTTPSConnection(
            plane.host, plane.port, timeout=60, context=context
        )

    def create(self, root: str, plural: str, where: str, item: Object) -> None:
        """Create an object; one of the cluster when *where* is empty."""
        scope = f"/namespaces/{where}" if where else ""
        self._call("POST", f"{root}{scope}/{plural}", item, "application/json")

    def change_paths(self, number: int, *paths: str) -> None:
        """Give an Ingress other paths."""
        path = f"{_INGRESSES}/namespaces/{namespace(number)}/ingresses/app-{number}"
        self._patch(path, {"spec": ingress(number, *paths)["spec"]})

    def change_endpoint(self, number: int, address: str, port: int) -> None:
        """Give a Service another endpoint."""
        made = endpoint_slice(number, address, port)
        path = f"{_SLICES}/namespaces/{namespace(number)}/endpointslices/app-{number}-abcde"
        self._patch(path, {each: made[each] for each in ("endpoints", "ports")})

    def fill(self, numbers: Iterable[int], address: str, port: int) -> None:
        """Create everything that belongs to these numbers."""
        for number in numbers:
            where = namespace(number)
            self.create("/api/v1", "services", where, service(number))
            self.create(_SLICES, "endpointslices", where, endpoint_slice(number, address, port))
            self.create(_INGRESSES, "ingresses", where, ingress(number, "/"))

    def _patch(self, path: str, item: Object) -> None:
        self._call("PATCH", path, item, "application/merge-patch+json")

    def _call(self, method: str, path: str, item: Object, content_type: str) -> None:
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": content_type}
        self._connection.request(method, path, json.dumps(item), headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= _FIRST_ERROR:
            raise BenchmarkError(f"{method} {path}: {response.status} {answer[:200]!r}")


def fill(plane: ControlPlane, size: int, address: str, port: int) -> None:
    """Create as many Ingresses, Services and slices, all with this endpoint."""
    first = Writer(plane)
    for number in range(min(NAMESPACES, size)):
        first.create("/api/v1", "namespaces", "", {"metadata": {"name": namespace(number)}})
    shares = [range(size)[each::_WRITERS] for each in range(_WRITERS)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda share: Writer(plane).fill(share, address, port), shares))


class Backend:
    """An HTTP server of as little work as possible, whose answers tell its port."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("0.0.0.0", 0))  # noqa: S104  slices know this host's address
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listening.close()

    def _accept(self) -> None:
        for connection in self._connections():
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _connections(self) -> Iterator[socket.socket]:
        while True:
            try:
                yield self._listening.accept()[0]
            except OSError:
                return

    def _answer(self, connection: socket.socket) -> None:
        body = str(self.port).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        waiting = b""
        with connection:
            while data := connection.recv(65536):
                *heads, waiting = (waiting + data).split(b"\r\n\r\n")
                connection.sendall(answer * len(heads))
