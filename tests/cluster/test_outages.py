"""
Outages under load: the API server away, its history lost, a token rotated, the leader killed.

Traffic never notices, and what has changed meanwhile is right afterwards.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.cluster.inside import PodProgram
from tests.cluster.load import Load, load_on
from tests.cluster.pods import PodCluster
from tests.cluster.shapes import served_pods

NAMESPACE = "outages"
HOST = "outages.example"
ENDING = "ending.example"
ADDRESSES = ("10.1.250.1", "10.1.250.2", "10.1.250.3")
AWAY_SECONDS = 60.0
ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: ingress}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: outages}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: ingress, namespace: outages}]
"""


def route(name: str, host: str, service: str = "web") -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {
            "ingressClassName": "pipy",
            "rules": [{"host": host, "http": {"paths": [path]}}],
        },
    }


class Ending(BaseHTTPRequestHandler):
    """What runs in a pod that may end; it answers as the stand-in kubelet's pods do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        address = self.connection.getsockname()[0]
        body = b'{"pod": "%b"}' % address.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if getattr(self.server, "is_ending", False):
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  its name there

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
        pass


class EndingServer(ThreadingHTTPServer):
    """Answers once more on connections that it has when it ends."""

    request_queue_size = 128
    daemon_threads = True
    block_on_close = False
    is_ending = False


@attrs.define
class Pods:
    """Pods of a Service without a selector, which nobody restarts and nobody reports."""

    cluster: PodCluster
    running: dict[str, EndingServer] = attrs.Factory(dict)

    def start(self, address: str) -> None:
        with self.cluster.network:
            server = self.running[address] = EndingServer((address, 8080), Ending)
            threading.Thread(target=server.serve_forever, args=(0.02,)).start()

    def end(self, address: str) -> None:
        server = self.running.pop(address)
        server.is_ending = True
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def cluster(pod_cluster: PodCluster) -> Iterator[PodCluster]:
    pod_cluster.make_namespace(NAMESPACE)
    pod_cluster.apply(served_pods(HOST, 3) + "---" + ACCOUNT, namespace=NAMESPACE)
    pod_cluster.wait_for(lambda: len(pod_cluster.pods(NAMESPACE)) == 3)
    yield pod_cluster
    pod_cluster.delete("v1", "Namespace", NAMESPACE)


SLICE = {
    "apiVersion": "discovery.k8s.io/v1beta1",
    "kind": "EndpointSlice",
    "metadata": {"name": "ending-1", "labels": {"kubernetes.io/service-name": "ending"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": [each]} for each in ADDRESSES],
    "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "ending"},
    "spec": {"ports": [{"port": 80}]},
}


@pytest.fixture
def pods(cluster: PodCluster) -> Iterator[Pods]:
    pods = Pods(cluster)
    for address in ADDRESSES:
        pods.start(address)
    for item in (SERVICE, SLICE, route("ending", ENDING, "ending")):
        cluster.apply(item, namespace=NAMESPACE)
    yield pods
    for address in tuple(pods.running):
        pods.end(address)


def names(cluster: PodCluster) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.pods(NAMESPACE)}


def settles(cluster: PodCluster, program: PodProgram, load: Load, count: int) -> None:
    """Change routes and pods, and wait until traffic shows it."""
    route_comes_and_goes(cluster, program, f"new-{count}.example")
    cluster.kubectl("-n", NAMESPACE, "scale", "deployment/web", f"--replicas={count}")
    cluster.wait_for(lambda: len(names(cluster)) == count, lambda: program.log)
    answers_come_from(load, lambda: names(cluster), cluster)


def endpoints_become(
    cluster: PodCluster, program: PodProgram, load: Load, left: tuple[str, ...]
) -> None:
    """
    Change routes and endpoints, and wait until traffic shows it.

    The controllers of the cluster, which have pauses of their own after an outage, have no part
    in it.
    """
    endpoints = [{"addresses": [each]} for each in left]
    cluster.apply({**SLICE, "endpoints": endpoints}, namespace=NAMESPACE)
    route_comes_and_goes(cluster, program, "after.example")
    answers_come_from(load, lambda: set(left), cluster)


def route_comes_and_goes(cluster: PodCluster, program: PodProgram, host: str) -> None:
    cluster.apply(route("new", host), namespace=NAMESPACE)
    cluster.wait_for(lambda: asked(cluster, program, host) == 200, lambda: program.log)
    cluster.delete("networking.k8s.io/v1", "Ingress", "new", NAMESPACE)
    cluster.wait_for(lambda: asked(cluster, program, host) == 404, lambda: program.log)


def answers_come_from(load: Load, pods: Callable[[], set[str]], cluster: PodCluster) -> None:
    """Wait until, for half a second, answers come from these pods, all of them, and no others."""

    def are_right() -> bool:
        since = time.monotonic()
        time.sleep(0.5)
        return load.served_since(since + 0.1) == pods()

    cluster.wait_for(are_right, lambda: f"{load.pods} are not {pods()}")


def asked(cluster: PodCluster, program: PodProgram, host: str) -> int:
    return cluster.ask(f"http://{host}/", to=("127.0.0.1", program.port("http"))).status


@pytest.fixture
def program(cluster: PodCluster, tmp_path: Path) -> Iterator[PodProgram]:
    # A new one each time: who has just had an outage makes longer pauses in the next.
    with cluster.program(tmp_path, "--workers", "2") as started:
        yield started


def test_without_the_api_server_for_a_minute_nothing_fails_though_pods_end(
    cluster: PodCluster, program: PodProgram, pods: Pods
) -> None:
    cluster.wait_for(lambda: asked(cluster, program, ENDING) == 200, lambda: program.log)
    with load_on(program, HOST) as load, load_on(program, ENDING) as ending:
        settles(cluster, program, load, 2)
        # What the API server has heard of last is under way while it dies.
        cluster.kubectl("-n", NAMESPACE, "scale", "deployment/web", "--replicas=4")
        cluster.kill()
        began = time.monotonic()
        try:
            time.sleep(10)
            pods.end(ADDRESSES[0])
            time.sleep(15)
            pods.start(ADDRESSES[0])
            time.sleep(10)
            pods.end(ADDRESSES[1])
            ended = time.monotonic()
            time.sleep(10)
            assert ending.served_since(ended + 1) == {ADDRESSES[0], ADDRESSES[2]}
            assert program.is_ready
            time.sleep(max(began + AWAY_SECONDS - time.monotonic(), 0))
        finally:
            cluster.start_api_server()
        endpoints_become(cluster, program, ending, ADDRESSES[2:])

    assert (load.faults, ending.faults) == ([], [])
    assert min(load.requests.values()) > 500, load.requests


def test_when_the_history_is_lost_all_is_compared_and_nothing_fails(
    cluster: PodCluster, program: PodProgram, pods: Pods
) -> None:
    cluster.wait_for(lambda: asked(cluster, program, ENDING) == 200, lambda: program.log)
    with load_on(program, ENDING) as load:
        endpoints_become(cluster, program, load, ADDRESSES[:2])
        cluster.kill()
        cluster.compact()
        cluster.start_api_server()
        endpoints_become(cluster, program, load, ADDRESSES[1:])
    metrics = program.ask("/metrics")[1].decode()

    assert load.faults == []
    assert 'informer_failures_total{kind="endpointslices",reason="gone"}' in metrics


def test_a_token_that_is_rotated_costs_nothing(
    cluster: PodCluster, pods: Pods, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    account = cluster.path("v1", "ServiceAccount", NAMESPACE, "ingress")
    file.write_text(cluster.token(NAMESPACE, "ingress"))
    config = cluster.kubeconfig("outages", {"tokenFile": str(file)}, {})
    with (
        cluster.program(tmp_path, "--workers", "2", kubeconfig=config) as program,
        load_on(program, ENDING) as load,
    ):
        endpoints_become(cluster, program, load, ADDRESSES[:2])
        cluster.call("DELETE", account)
        cluster.apply(ACCOUNT, namespace=NAMESPACE)
        # Watches outlive their token; they end with the API server.
        cluster.kill()
        cluster.start_api_server()
        time.sleep(1)
        file.write_text(cluster.token(NAMESPACE, "ingress"))
        endpoints_become(cluster, program, load, ADDRESSES[1:])

    assert load.faults == []


def test_when_the_leader_is_killed_the_other_one_goes_on(
    cluster: PodCluster, pods: Pods, tmp_path: Path
) -> None:
    def shown() -> list[Any]:
        item = cluster.get("networking.k8s.io/v1", "Ingress", "later", NAMESPACE)
        found: list[Any] = item["status"]["loadBalancer"].get("ingress", [])
        return found

    options = (
        *("--publish-status-address", "192.0.2.9"),
        *("--election-id", "outages", "--election-namespace", NAMESPACE, "--workers", "1"),
    )

    def leads(program: PodProgram) -> bool:
        return "\nfsm_ingress_leader 1\n" in program.ask("/metrics")[1].decode()

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with cluster.program(tmp_path / "first", *options) as first:
        cluster.wait_for(lambda: leads(first), lambda: first.log)
        with (
            cluster.program(tmp_path / "second", *options) as second,
            load_on(second, ENDING) as load,
        ):
            assert not leads(second)
            first.signal(signal.SIGKILL)
            item = route("later", "later.example", "missing")
            cluster.apply(item, namespace=NAMESPACE)
            endpoints_become(cluster, second, load, ADDRESSES[:2])
            cluster.wait_for(lambda: shown() == [{"ip": "192.0.2.9"}], lambda: second.log)
            assert leads(second)
            told = cluster.path("events.k8s.io/v1", "Event", NAMESPACE)
            cluster.wait_for(lambda: "ServiceMissing" in str(cluster.call("GET", told)))
    cluster.delete("networking.k8s.io/v1", "Ingress", "later", NAMESPACE)

    assert load.faults == []
