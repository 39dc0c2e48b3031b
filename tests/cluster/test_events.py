"""Events that the program writes on a real API server, read as kubectl reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.assembly.program import Program, running, until
from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_program import documented_rules
from tests.cluster.world import ingress, service

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/events/ingresses"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    control_plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": "events"}})
    control_plane.grant("erin", documented_rules())
    silent = [each for each in documented_rules() if "events" not in str(each)]
    control_plane.grant("frank", silent)
    return control_plane


@contextmanager
def program_of(plane: ControlPlane, folder: Path, user: str) -> Iterator[Program]:
    folder.mkdir(exist_ok=True)
    config = plane.kubeconfig(f"events-{user}", {"token": f"{user}-token"}, {})
    with running(folder, "--kubeconfig", str(config), "--workers", "1") as started:
        yield started


def events(plane: ControlPlane, name: str) -> list[Any]:
    """The Events about one Ingress, the oldest first."""
    found = plane.call("GET", "/apis/events.k8s.io/v1/namespaces/events/events")["items"]
    about = [each for each in found if each["regarding"]["name"] == name]
    return sorted(about, key=lambda each: str(each["eventTime"]))


def reasons(plane: ControlPlane, name: str) -> list[str]:
    return [each["reason"] for each in events(plane, name)]


def make(plane: ControlPlane, name: str) -> Any:
    item = ingress(name, namespace="events")
    item["spec"]["ingressClassName"] = "pipy"
    backend = item["spec"].pop("defaultBackend")
    backend["service"]["name"] = name
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    item["spec"]["rules"] = [{"host": f"{name}.example", "http": {"paths": [path]}}]
    return plane.call("POST", INGRESSES, item)


def test_a_finding_is_a_warning_once_and_being_served_is_told_by_synced(
    plane: ControlPlane, tmp_path: Path
) -> None:
    made = make(plane, "web")
    with program_of(plane, tmp_path / "first", "erin") as program:
        until(lambda: reasons(plane, "web") == ["ServiceMissing"], lambda: program.log)
        web = service("web", namespace="events")
        plane.call("POST", "/api/v1/namespaces/events/services", web)
        until(lambda: "Synced" in reasons(plane, "web"), lambda: program.log)
        metrics = program.ask("/metrics")[1].decode()
    warning, *others = events(plane, "web")

    assert warning["type"] == "Warning"
    assert warning["regarding"]["uid"] == made["metadata"]["uid"]
    assert warning["regarding"]["kind"] == "Ingress"
    assert warning["reportingController"] == "flomesh.io/ingress-pipy"
    assert warning["reportingInstance"]
    assert "there is no Service events/web; " in warning["note"]
    assert {each["type"] for each in others if each["reason"] == "Synced"} == {"Normal"}
    assert "fsm_ingress_events_written_total" in metrics
    assert "we may not write" not in program.log
    before = {each["metadata"]["name"]: each["metadata"]["uid"] for each in events(plane, "web")}

    with program_of(plane, tmp_path / "second", "erin") as program:
        make(plane, "later")
        until(lambda: reasons(plane, "later") == ["ServiceMissing"], lambda: program.log)
    after = {each["metadata"]["name"]: each["metadata"]["uid"] for each in events(plane, "web")}
    assert after == before


def test_a_broken_ingress_is_told_of_within_a_second(plane: ControlPlane, tmp_path: Path) -> None:
    def seconds(name: str) -> float:
        make(plane, name)
        began = time.monotonic()
        until(lambda: reasons(plane, name) == ["ServiceMissing"], lambda: program.log)
        return time.monotonic() - began

    with program_of(plane, tmp_path, "erin") as program:
        seconds("settled")  # by now it leads, and has told of all that was there before
        taken = sorted(seconds(f"quick-{number}") for number in range(3))

    assert taken[1] < 1.0, taken  # the usual one: this machine may be busy


def test_a_finding_that_stands_over_a_restart_goes_on_in_its_series(
    plane: ControlPlane, tmp_path: Path
) -> None:
    make(plane, "broken")
    with program_of(plane, tmp_path / "first", "erin") as program:
        until(lambda: reasons(plane, "broken") == ["ServiceMissing"], lambda: program.log)
    (told,) = events(plane, "broken")
    with program_of(plane, tmp_path / "second", "erin") as program:
        until(lambda: "series" in events(plane, "broken")[0], lambda: program.log)
    (again,) = events(plane, "broken")

    assert again["metadata"]["uid"] == told["metadata"]["uid"]
    assert again["series"]["count"] == 2
    assert again["series"]["lastObservedTime"] > told["eventTime"]


def test_without_the_right_it_is_said_once_which_rule_to_add(
    plane: ControlPlane, tmp_path: Path
) -> None:
    make(plane, "unheard")
    with program_of(plane, tmp_path, "frank") as program:
        until(lambda: "Events: we may not write them" in program.log, lambda: program.log)
        assert program.is_ready
    assert 'apiGroups: ["events.k8s.io"], resources: ["events"]' in program.log
    assert program.log.count("we may not write them") == 1
    assert reasons(plane, "unheard") == []
