"""Rollouts and scaling of a real Deployment under load: nobody notices."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster.inside import PodProgram
from tests.cluster.load import Load, load_on
from tests.cluster.pods import PodCluster
from tests.cluster.shapes import served_pods

NAMESPACE = "rollouts"
HOST = "rollouts.example"


@pytest.fixture(scope="module")
def program(
    pod_cluster: PodCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PodProgram]:
    pod_cluster.make_namespace(NAMESPACE)
    pod_cluster.apply(served_pods(HOST, 3), namespace=NAMESPACE)
    pod_cluster.wait_for(lambda: len(pod_cluster.pods(NAMESPACE)) == 3)
    with pod_cluster.program(tmp_path_factory.mktemp("program"), "--workers", "2") as started:
        yield started
    pod_cluster.delete("v1", "Namespace", NAMESPACE)


def names(cluster: PodCluster) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.pods(NAMESPACE)}


def settle_on(cluster: PodCluster, load: Load, count: int) -> set[str]:
    """Wait until exactly so many pods are there, all old ones are gone and all of them answer."""
    path = cluster.path("v1", "Pod", NAMESPACE)
    cluster.wait_for(
        lambda: len(cluster.call("GET", path)["items"]) == count == len(names(cluster))
    )
    since = time.monotonic()
    cluster.wait_for(lambda: load.served_since(since) >= names(cluster), lambda: str(load))
    assert load.served_since(since + 0.2) <= names(cluster)
    return names(cluster)


def test_a_rollout_loses_no_request(pod_cluster: PodCluster, program: PodProgram) -> None:
    with load_on(program, HOST) as load:
        before = settle_on(pod_cluster, load, 3)
        pod_cluster.kubectl("-n", NAMESPACE, "set", "env", "deployment/web", "VERSION=2")
        pod_cluster.wait_for(lambda: not names(pod_cluster) & before)
        settle_on(pod_cluster, load, 3)

    assert load.faults == []
    assert min(load.requests.values()) > 20, load.requests


def test_scaling_up_and_down_loses_no_request(
    pod_cluster: PodCluster, program: PodProgram
) -> None:
    with load_on(program, HOST) as load:
        for count in (1, 10, 2):
            pod_cluster.kubectl("-n", NAMESPACE, "scale", "deployment/web", f"--replicas={count}")
            settle_on(pod_cluster, load, count)

    assert load.faults == []
    assert min(load.requests.values()) > 20, load.requests
