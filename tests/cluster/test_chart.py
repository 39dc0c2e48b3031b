"""The chart as a cluster of 1.20 takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.chart.rendering import OLDEST, Object, render, workload
from tests.chart.test_rendered import COMBINATIONS
from tests.cluster.pods import PodCluster


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
