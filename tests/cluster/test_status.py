"""Status on a real API server: written when served, kept over leaders, gone with the class."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.assembly.program import Program, running, until
from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_program import DOCUMENT

_numbers = count()
ROOT = "/apis/networking.k8s.io/v1/namespaces"


def documented(kind: str) -> list[object]:
    """The rules of the first object of a kind in docs/cluster.md."""
    for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and document["kind"] == kind:
                rules: list[object] = document["rules"]
                return rules
    raise AssertionError(f"no {kind}")


class Place:
    """A namespace of its own, a class of its own, and programs with the documented rights."""

    def __init__(self, plane: ControlPlane, folder: Path, stack: ExitStack) -> None:
        self.plane = plane
        self.folder = folder
        self.stack = stack
        self.namespace = f"status-{next(_numbers)}"
        self.class_name = self.namespace
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        self.lease = f"{leases}/fsm-ingress-pipy"
        plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.account()

    def account(self) -> None:
        """Make a ServiceAccount with the documented rights, and a token for it in a file."""
        root = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self.plane.call("POST", root, {"metadata": {"name": "fsm"}})
        user = f"system:serviceaccount:{self.namespace}:fsm"
        self.plane.grant(user, documented("ClusterRole"))
        self.plane.grant(user, documented("Role"), self.namespace)
        self.issue()

    def issue(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/fsm/token"
        answer = self.plane.call("POST", path, {"spec": {"expirationSeconds": 600}})
        (self.folder / "token").write_text(answer["status"]["token"])

    def program(self, name: str, *options: str) -> Program:
        config = self.plane.kubeconfig(
            self.namespace, {"tokenFile": str(self.folder / "token")}, {}
        )
        folder = self.folder / name
        folder.mkdir()
        ours = ("--ingress-class", self.class_name, "--election-namespace", self.namespace)
        return self.stack.enter_context(
            running(folder, "--kubeconfig", str(config), "--workers", "1", *ours, *options)
        )

    def path(self, name: str) -> str:
        return f"{ROOT}/{self.namespace}/ingresses/{name}"

    def create(self, name: str) -> None:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        paths = [{"path": f"/{name}", "pathType": "Prefix", "backend": backend}]
        spec = {"ingressClassName": self.class_name, "rules": [{"http": {"paths": paths}}]}
        item = {"metadata": {"name": name}, "spec": spec}
        self.plane.call("POST", f"{ROOT}/{self.namespace}/ingresses", item)

    def change(self, path: str, patch: object) -> Any:
        kind = "application/merge-patch+json"
        return self.plane.call("PATCH", path, patch, content_type=kind)

    def addresses(self, path: str) -> list[dict[str, str]]:
        status = self.plane.call("GET", path)["status"]["loadBalancer"]
        found: list[dict[str, str]] = status.get("ingress", [])
        return found

    def holder(self) -> str:
        return str(self.plane.call("GET", self.lease)["spec"]["holderIdentity"])

    def service(self, **spec: object) -> str:
        item = {"metadata": {"name": "fsm"}, "spec": {"ports": [{"port": 80}], **spec}}
        root = f"/api/v1/namespaces/{self.namespace}/services"
        self.plane.call("POST", root, item)
        return f"{root}/fsm"


@pytest.fixture
def place(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(control_plane, tmp_path, stack)


def shows(place: Place, path: str, *expected: dict[str, str]) -> Callable[[], bool]:
    return lambda: place.addresses(path) == list(expected)


def test_the_address_of_a_service_is_that_of_our_ingresses_until_they_leave_us(
    place: Place,
) -> None:
    plane, service = place.plane, place.service(type="LoadBalancer")
    place.create("web")
    program = place.program("one", "--publish-service", f"{place.namespace}/fsm")
    until(lambda: "it has no address yet" in program.log, lambda: program.log)
    assert place.addresses(place.path("web")) == []

    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    place.change(f"{service}/status", status)
    until(shows(place, place.path("web"), {"ip": "192.0.2.7"}), lambda: program.log)
    item = plane.call("GET", place.path("web"))
    (owner,) = (e for e in item["metadata"]["managedFields"] if "f:status" in e["fieldsV1"])
    assert owner["operation"] == "Apply"
    assert owner["manager"] == f"fsm-ingress:flomesh.io/ingress-pipy:{place.class_name}"
    generation = program.log.count("generation")

    status["status"]["loadBalancer"]["ingress"] = [{"hostname": "lb.example"}, {"ip": "192.0.2.8"}]
    place.change(f"{service}/status", status)
    both = ({"hostname": "lb.example"}, {"ip": "192.0.2.8"})
    until(shows(place, place.path("web"), *both), lambda: program.log)
    # A status is no change of what is served.
    assert program.log.count("generation") == generation

    place.change(place.path("web"), {"spec": {"ingressClassName": "another"}})
    until(shows(place, place.path("web")), lambda: program.log)
    assert "status" not in str(plane.call("GET", place.path("web"))["metadata"]["managedFields"])
    program.signal(signal.SIGTERM)
    assert program.ended() == 0


def test_whoever_sends_a_request_when_the_address_shows_is_routed(place: Place) -> None:
    program = place.program("one", "--publish-status-address", "192.0.2.1", "--workers", "2")
    for number in range(10):
        place.create(f"web{number}")
        path = place.path(f"web{number}")
        until(shows(place, path, {"ip": "192.0.2.1"}), lambda: program.log)
        answers = {program.ask(f"/web{number}", "http")[0] for _ in range(4)}
        assert answers == {503}  # routed, and the Service is missing; 404 is no route


def test_an_api_server_that_was_killed_gets_the_status_of_what_came_meanwhile(
    place: Place,
) -> None:
    place.create("web")
    program = place.program("one", "--publish-status-address", "192.0.2.1")
    until(shows(place, place.path("web"), {"ip": "192.0.2.1"}), lambda: program.log)
    place.plane.kill()
    place.plane.compact()
    place.plane.start_api_server()
    place.create("late")

    until(shows(place, place.path("late"), {"ip": "192.0.2.1"}), lambda: program.log)
    assert place.addresses(place.path("web")) == [{"ip": "192.0.2.1"}]


def test_what_another_controller_has_written_stays_when_an_ingress_leaves_us(place: Place) -> None:
    place.create("web")
    program = place.program("one", "--publish-status-address", "192.0.2.1")
    until(shows(place, place.path("web"), {"ip": "192.0.2.1"}), lambda: program.log)

    other = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}
    place.change(place.path("web"), {"spec": {"ingressClassName": "another"}})
    place.change(f"{place.path('web')}/status", other)
    place.create("marker")
    until(shows(place, place.path("marker"), {"ip": "192.0.2.1"}), lambda: program.log)
    program.signal(signal.SIGTERM)
    assert program.ended() == 0

    assert place.addresses(place.path("web")) == [{"ip": "203.0.113.1"}]
    assert place.addresses(place.path("marker")) == [{"ip": "192.0.2.1"}]
    assert place.holder() == ""


def test_another_replica_leads_when_the_leader_is_killed(place: Place) -> None:
    place.create("web")
    address = ("--publish-status-address", "192.0.2.1")
    first = place.program("first", *address)
    until(shows(place, place.path("web"), {"ip": "192.0.2.1"}), lambda: first.log)
    second = place.program("second", *address)
    until(lambda: "another replica is" in second.log, lambda: second.log)
    assert b"fsm_ingress_leader 0" in second.ask("/metrics")[1]

    first.signal(signal.SIGKILL)
    place.create("late")
    # That a Lease is left alone for all of its 15 s is shown without waiting: tests/control.
    place.change(place.lease, {"spec": {"leaseDurationSeconds": 2}})

    def is_taken_over() -> bool:
        assert place.addresses(place.path("web")) == [{"ip": "192.0.2.1"}]
        return "this replica is" in second.log

    until(is_taken_over, lambda: second.log)
    until(shows(place, place.path("late"), {"ip": "192.0.2.1"}), lambda: second.log)
    assert b"fsm_ingress_leader 1" in second.ask("/metrics")[1]


def test_a_token_that_is_rotated_takes_leadership_and_status_nowhere(place: Place) -> None:
    program = place.program("one", "--publish-status-address", "192.0.2.1")
    until(lambda: "this replica is" in program.log, lambda: program.log)
    holder = place.holder()
    root = f"/api/v1/namespaces/{place.namespace}/serviceaccounts"
    place.plane.call("DELETE", f"{root}/fsm")
    place.plane.call("POST", root, {"metadata": {"name": "fsm"}})
    place.issue()
    place.create("web")

    until(shows(place, place.path("web"), {"ip": "192.0.2.1"}), lambda: program.log)
    assert place.holder() == holder
    assert "no longer" not in program.log


def test_nodes_of_ready_pods_are_the_addresses_of_the_service_and_of_ingresses(
    place: Place,
) -> None:
    service = place.service(type="LoadBalancer")
    place.create("web")
    for number in (1, 2):
        node = f"{place.namespace}-{number}"
        place.plane.call("POST", "/api/v1/nodes", {"metadata": {"name": node}})
        addresses = [{"type": "InternalIP", "address": f"192.0.2.{number}"}]
        place.change(f"/api/v1/nodes/{node}/status", {"status": {"addresses": addresses}})
    slices = f"/apis/discovery.k8s.io/v1beta1/namespaces/{place.namespace}/endpointslices"
    endpoints = [
        {
            "addresses": [f"10.1.0.{number}"],
            "conditions": {"ready": number == 1},
            "topology": {"kubernetes.io/hostname": f"{place.namespace}-{number}"},
        }
        for number in (1, 2)
    ]
    labels = {"kubernetes.io/service-name": "fsm"}
    item = {"metadata": {"name": "fsm-1", "labels": labels}, "addressType": "IPv4"}
    place.plane.call("POST", slices, {**item, "endpoints": endpoints, "ports": []})
    own = f"{place.namespace}/fsm"
    program = place.program("one", "--publish-service", own, "--service-lb", "on")
    until(shows(place, service, {"ip": "192.0.2.1"}), lambda: program.log)
    until(shows(place, place.path("web"), {"ip": "192.0.2.1"}), lambda: program.log)

    endpoints[1]["conditions"] = {"ready": True}
    place.change(f"{slices}/fsm-1", {"endpoints": endpoints})
    both = ({"ip": "192.0.2.1"}, {"ip": "192.0.2.2"})
    until(shows(place, service, *both), lambda: program.log)
    until(shows(place, place.path("web"), *both), lambda: program.log)

    cloud = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}}
    place.change(f"{service}/status", cloud)
    until(shows(place, place.path("web"), {"ip": "203.0.113.5"}), lambda: program.log)
    until(lambda: "are left as they are" in program.log, lambda: program.log)
    assert place.addresses(service) == [{"ip": "203.0.113.5"}]


def test_without_the_right_to_the_lease_it_serves_and_says_what_is_missing(place: Place) -> None:
    program = place.program(
        "one", "--publish-status-address", "192.0.2.1", "--election-namespace", "default"
    )
    until(lambda: "we may not use the Lease default/fsm" in program.log, lambda: program.log)
    place.create("web")
    until(lambda: program.ask("/web", "http")[0] == 503, lambda: program.log)

    assert 'resources: ["leases"], verbs: [get, create, update]' in program.log
    assert place.addresses(place.path("web")) == []
