"""The chart as a cluster of 1.20 takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CHART, OLDEST, Object, render, workload
from tests.chart.test_rendered import COMBINATIONS
from tests.cluster.charted import arguments, environment
from tests.cluster.pods import PodCluster
from tests.cluster.shapes import served_pods

ADDRESS = "192.0.2.50"


@pytest.fixture(scope="module")
def namespaces(pod_cluster: PodCluster) -> None:
    """Those that the rendered objects name."""
    for name in ("fsm", "a", "b"):
        pod_cluster.make_namespace(name)


def taken(cluster: PodCluster, objects: list[Object]) -> str:
    """Let the API server check objects, unknown fields too, and keep none; return what it says."""
    known = [each for each in objects if "monitoring.coreos.com" not in each["apiVersion"]]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": known})
    command = ("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-")
    ended = cluster.run(*command, text=document, check=False)
    return "" if ended.returncode == 0 else ended.stderr


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("name", COMBINATIONS)
def test_an_old_cluster_takes_every_object(pod_cluster: PodCluster, name: str) -> None:
    values: Mapping[str, Any] = COMBINATIONS[name]
    assert not taken(pod_cluster, render(values, kubernetes=OLDEST))


@pytest.mark.usefixtures("namespaces")
def test_a_field_that_it_does_not_know_is_noticed(pod_cluster: PodCluster) -> None:
    objects = render(kubernetes=OLDEST)
    workload(objects)["spec"]["template"]["spec"]["containres"] = []
    assert "containres" in taken(pod_cluster, objects)


@pytest.mark.usefixtures("namespaces")
def test_a_deployment_with_rights_in_one_namespace_serves_that_alone(
    pod_cluster: PodCluster, tmp_path: Path
) -> None:
    values = {
        "name": "narrow",
        "className": "narrow",
        "controllerName": "example.com/narrow",
        "service": {"type": "ClusterIP"},
        "publishAddresses": [ADDRESS],
        "watchNamespaces": ["a"],
        "replicaCount": 2,
    }
    install = ("--namespace", "narrow", "--create-namespace", "narrow", str(CHART), "--wait")
    given = ("--set-json", f"fsm.ingress={json.dumps(values)}")
    pod_cluster.helm("install", *install, *given)
    pods = pod_cluster.pods("narrow")
    assert len(pods) == 2
    (container,) = pods[0]["spec"]["containers"]
    for namespace in ("a", "b"):
        manifests = served_pods(f"{namespace}.example", 2)
        pod_cluster.apply(manifests.replace(": pipy", ": narrow"), namespace=namespace)
    pod_cluster.wait_for(lambda: pod_cluster.pods("a") and pod_cluster.pods("b"))

    with pod_cluster.in_pod(
        tmp_path,
        *arguments(container, ADDRESS),
        account=("narrow", pods[0]["spec"]["serviceAccountName"]),
        environment=environment(container, pods[0], ADDRESS),
    ) as program:

        def status(namespace: str) -> int:
            url = f"http://{namespace}.example/"
            return pod_cluster.ask(url, to=(ADDRESS, 8000)).status

        def address(namespace: str) -> Any:
            ingress = pod_cluster.get("networking.k8s.io/v1", "Ingress", "web", namespace)
            return ingress["status"]["loadBalancer"]

        pod_cluster.wait_for(lambda: status("a") == 200, lambda: program.log)
        pod_cluster.wait_for(
            lambda: address("a") == {"ingress": [{"ip": ADDRESS}]}, lambda: program.log
        )
        assert (status("b"), address("b")) == (404, {})
        assert "orbidden" not in program.log, program.log
    # A value more, a value less: what is selected by stays, so pods are replaced.
    pod_cluster.helm(
        "upgrade", *install[:2], *install[3:], *given, "--set", "fsm.ingress.tls.enabled=true"
    )
    pod_cluster.helm("uninstall", "--namespace", "narrow", "narrow")
