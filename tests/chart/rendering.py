"""What helm makes of the chart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "fsm"
OLDEST = "1.20.0"
NEWEST = "1.37.0"
ARTICLE = {
    "fsm": {
        "version": "0.2.1-alpha.2",
        "ingress": {"tls": {"enabled": True}},
        "serviceLB": {"enabled": True},
    }
}
# Everything that is off by default.
FULL = {
    "fsm": {
        "ingress": {
            "replicaCount": 3,
            "tls": {"enabled": True, "defaultSecret": "default-tls"},
            "defaultClass": True,
            "sessionKeySecret": "session",
            "accessLog": "-",
            "trustedProxies": ["10.0.0.0/8", "2001:db8::/32"],
            "proxyProtocol": True,
            "enablePodDisruptionBudget": True,
            "autoScale": {"enable": True},
            "networkPolicy": {"enabled": True, "egress": [{}]},
            "metrics": {
                "serviceMonitor": {"enabled": True},
                "prometheusRule": {"enabled": True},
                "grafanaDashboard": {"enabled": True},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                }
            ],
        }
    }
}

Object = Any
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(Exception):
    """Helm does not render these values; the text says why."""


def helm() -> str:
    """Return the path of helm; skip where there is none."""
    prepared = Path(os.environ.get("KUBEBUILDER_ASSETS", "/nowhere")) / "helm"
    found = str(prepared) if prepared.exists() else shutil.which("helm")
    if found is None:
        pytest.skip("there is no helm on PATH or in KUBEBUILDER_ASSETS; .ci/tools fetches it")
    return found


def run_helm(*arguments: str, text: str = "", home: Path | None = None) -> str:
    """Run helm away from any cluster; return what it says, or raise `Refused`."""
    home = home or Path("/nonexistent")
    ended = subprocess.run(
        [helm(), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": "/dev/null"},
    )
    if ended.returncode:
        raise Refused(ended.stdout + ended.stderr)
    return ended.stdout


def render(values: Mapping[str, Any] | None = None, *, kubernetes: str = NEWEST) -> list[Object]:
    """Render the chart as the release ``fsm`` in the namespace ``fsm``."""
    said = _rendered(json.dumps(values or {}), kubernetes)
    return [each for each in yaml.load_all(said, Loader=_Loader) if each]


@cache
def _rendered(values: str, kubernetes: str) -> str:
    place = ("--namespace", "fsm", "--kube-version", kubernetes, "--values", "-")
    return run_helm("template", *place, "fsm", str(CHART), text=values)


def one(objects: list[Object], kind: str) -> Object:
    """Return the only object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def workload(objects: list[Object]) -> Object:
    """Return the Deployment or DaemonSet."""
    (found,) = (each for each in objects if each["kind"] in {"Deployment", "DaemonSet"})
    return found


def container(objects: list[Object]) -> Object:
    """Return the one container."""
    (found,) = workload(objects)["spec"]["template"]["spec"]["containers"]
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names into what helm reads."""
    made: dict[str, Any] = {}
    for path, value in values.items():
        *above, last = path.split(".")
        place = made
        for each in above:
            place = place.setdefault(each, {})
        place[last] = value
    return made
