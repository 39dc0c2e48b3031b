"""The cluster with pods does what the tests that use it take for granted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.control_plane import Refusal
from tests.cluster.pods import PodCluster
from tests.cluster.shapes import served_pods

READER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
"""


def test_the_program_serves_pods_and_an_account_has_its_own_rights_alone(
    pod_cluster: PodCluster, tmp_path: Path
) -> None:
    pod_cluster.make_namespace("pods")
    pod_cluster.apply(served_pods("web.example", 2) + "---" + READER, namespace="pods")
    pod_cluster.wait_for(lambda: len(pod_cluster.pods("pods")) == 2)
    assert "web.example" in pod_cluster.kubectl("get", "ingress", "-n", "pods")
    config = str(pod_cluster.account("pods", "reader"))
    denied = pod_cluster.run("kubectl", "--kubeconfig", config, "get", "pods", check=False)
    assert "Forbidden" in denied.stderr
    with pytest.raises(Refusal, match="404"):
        pod_cluster.get("v1", "Pod", "nobody")

    with pod_cluster.program(tmp_path, "--http", "tcp:80:interface=192.0.2.1") as program:

        def served_by() -> set[str]:
            asked = [
                pod_cluster.ask("http://web.example/x", to=("192.0.2.1", 80)) for _ in range(4)
            ]
            return {each.echo["pod"] for each in asked if each.status == 200}

        pod_cluster.wait_for(lambda: len(served_by()) == 2, lambda: program.log)
        pod_cluster.kubectl("scale", "-n", "pods", "deployment/web", "--replicas=1")
        pod_cluster.wait_for(lambda: len(served_by()) == 1, lambda: program.log)
