"""``fsm-ingress lint --cluster`` on a real API server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_program import documented_rules
from tests.cluster.world import ingress

LINT = (sys.executable, "-m", "fsm_twisted.cli.main", "lint", "--cluster", "-o", "json")


def lint(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LINT, *words], capture_output=True, text=True, timeout=60, check=False)


def test_a_cluster_is_listed_once_and_judged(control_plane: ControlPlane) -> None:
    control_plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": "linted"}})
    control_plane.grant("grace", documented_rules())
    config = control_plane.kubeconfig("cli-grace", {"token": "grace-token"}, {})
    item = ingress("web", namespace="linted")
    item["spec"]["ingressClassName"] = "pipy"
    path = "/apis/networking.k8s.io/v1/namespaces/linted/ingresses"
    control_plane.call("POST", path, item)

    try:
        ended = lint("--kubeconfig", str(config), "-n", "linted")
    finally:
        control_plane.call("DELETE", f"{path}/web")  # it would be one of every later test's

    assert ended.returncode == 1, ended.stderr
    told = json.loads(ended.stdout)
    assert {each["code"] for each in told["items"]} == {"service_missing"}
    assert told["items"][0]["object"]["namespace"] == "linted"
    assert told["summary"]["endpoints_are_judged"]


def test_a_cluster_that_does_not_answer_is_2_and_a_line(tmp_path: Path) -> None:
    ended = lint("--kubeconfig", str(tmp_path / "gone"))

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "gone" in ended.stderr
    assert "Traceback" not in ended.stderr
