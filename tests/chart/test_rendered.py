"""What the chart renders is valid, fits together, and has no more rights than it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from fsm_twisted._version import __version__
from fsm_twisted.settings import Settings, parse_settings
from tests.chart.rendering import (
    ARTICLE,
    CHART,
    FULL,
    NEWEST,
    OLDEST,
    ROOT,
    Object,
    container,
    nested,
    one,
    render,
    run_helm,
    workload,
)

COMBINATIONS: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "article": ARTICLE,
    "full": FULL,
    "namespaces": nested({"fsm.ingress.watchNamespaces": ["a", "b"]}),
    "selected": nested({"fsm.ingress.watchNamespaceSelector": "team=web"}),
    "dual-stack": nested({"fsm.ingress.ipFamilies": ["IPv6", "IPv4"]}),
    "https-only": nested({"fsm.ingress.http.enabled": False, "fsm.ingress.tls.enabled": True}),
}
combinations = pytest.mark.parametrize(
    "values", [pytest.param(values, id=name) for name, values in COMBINATIONS.items()]
)
VERSIONS = ("1.25.0", "1.30.0", "1.35.0", NEWEST)
ADDRESS = {"IPv4": "10.1.0.1", "IPv6": "2001:db8::1"}


def settings(objects: list[Object], address: str) -> Settings:
    """What the program reads from the arguments, the pod's address put in as Kubernetes does."""
    arguments = [each.replace("$(POD_IP)", address) for each in container(objects)["args"]]
    assert not [each for each in arguments if "$(" in each]
    return parse_settings(arguments)


@combinations
def test_the_chart_has_no_fault_that_helm_knows(values: Mapping[str, Any]) -> None:
    run_helm("lint", "--strict", "--values", "-", str(CHART), text=yaml.safe_dump(dict(values)))


@pytest.mark.parametrize("version", VERSIONS)
@combinations
def test_the_objects_are_valid_in_kubernetes(values: Mapping[str, Any], version: str) -> None:
    for each in render(values, kubernetes=version):
        if not each["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(each, version, strict=True)


def test_the_validation_can_fail() -> None:
    deployment = workload(render())
    deployment["spec"]["template"]["spec"]["contaners"] = []
    with pytest.raises(jsonschema.ValidationError, match="contaners"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_versions_of_the_api_follow_that_of_the_cluster() -> None:
    def versions(kubernetes: str) -> set[str]:
        objects = render(FULL, kubernetes=kubernetes)
        kinds = ("HorizontalPodAutoscaler", "PodDisruptionBudget")
        return {one(objects, kind)["apiVersion"] for kind in kinds}

    assert versions(OLDEST) == {"autoscaling/v2beta2", "policy/v1beta1"}
    assert versions("1.22.4+k3s1") == {"autoscaling/v2beta2", "policy/v1"}
    assert versions("1.23.8+k3s2") == versions(NEWEST) == {"autoscaling/v2", "policy/v1"}


@combinations
def test_the_program_understands_its_arguments(values: Mapping[str, Any]) -> None:
    objects = render(values)
    merged = {**yaml.safe_load((CHART / "values.yaml").read_text())["fsm"]["ingress"]}
    merged.update(values.get("fsm", {}).get("ingress", {}))
    read = settings(objects, ADDRESS[merged["ipFamilies"][0]])

    ports = {each["name"]: each["containerPort"] for each in container(objects)["ports"]}
    assert {each.port for each in read.http} == {ports[n] for n in ("http",) if n in ports}
    assert {each.port for each in read.https} == {ports[n] for n in ("https",) if n in ports}
    assert read.admin.port == ports["admin"]
    assert read.admin.host in ADDRESS.values()
    grace = workload(objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert read.drain_delay + read.drain_timeout < grace


def test_the_article_gets_what_it_shows() -> None:
    objects = render(ARTICLE)
    service = one(objects, "Service")
    assert service["metadata"]["name"] == "fsm-ingress-pipy-controller"
    assert service["metadata"]["labels"]["app.kubernetes.io/component"] == "controller"
    assert service["spec"]["type"] == "LoadBalancer"
    ports = [f"{each['port']}:{each['nodePort']}" for each in service["spec"]["ports"]]
    assert ports == ["80:30508", "443:30607"]
    classes = one(objects, "IngressClass")
    assert (classes["metadata"]["name"], classes["spec"]["controller"]) == (
        "pipy",
        "flomesh.io/ingress-pipy",
    )
    assert workload(objects)["kind"] == "DaemonSet"
    listening = {each.get("hostPort") for each in container(objects)["ports"]}
    assert listening == {80, 443, None}


@combinations
def test_everything_that_selects_pods_selects_ours(values: Mapping[str, Any]) -> None:
    objects = render(values)
    labels = workload(objects)["spec"]["template"]["metadata"]["labels"].items()
    names = {each["name"] for each in container(objects)["ports"]}
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("selector", spec.get("podSelector", {}))
        if selector and each["kind"] != "ServiceMonitor":
            assert selector.get("matchLabels", selector).items() <= labels
        if each["kind"] == "Service":
            assert {port["targetPort"] for port in spec["ports"]} <= names


def test_the_monitor_finds_the_service_of_the_metrics_alone() -> None:
    objects = render(FULL)
    monitor = one(objects, "ServiceMonitor")["spec"]
    services = [each for each in objects if each["kind"] == "Service"]
    wanted = monitor["selector"]["matchLabels"].items()
    (found,) = (each for each in services if wanted <= each["metadata"]["labels"].items())
    assert [each["name"] for each in found["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]
    assert len(services) == 2


def test_pods_with_ports_of_their_node_are_replaced_in_place() -> None:
    kind = nested({"fsm.serviceLB.enabled": True, "fsm.ingress.kind": "Deployment"})
    strategy = workload(render(kind))["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}
    usual = workload(render())["spec"]["strategy"]["rollingUpdate"]
    assert usual == {"maxSurge": 1, "maxUnavailable": 0}


def test_an_autoscaler_has_the_replicas_to_itself() -> None:
    assert "replicas" not in workload(render(FULL))["spec"]
    assert workload(render())["spec"]["replicas"] == 1


@combinations
def test_pods_have_no_privileges(values: Mapping[str, Any]) -> None:
    objects = render(values)
    pod = workload(objects)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def rights(objects: list[Object]) -> set[tuple[str, str, str]]:
    """Kind of role, resource, verb."""
    return {
        (each["kind"], resource, verb)
        for each in objects
        if each["kind"] in {"ClusterRole", "Role"}
        for rule in each["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


READ = {"get", "list", "watch"}
# Who may be written to, and where that is a matter of the release's own namespace alone.
WRITTEN: Mapping[str, tuple[str, ...]] = {
    "ingresses/status": ("ClusterRole", "Role"),
    "events": ("ClusterRole", "Role"),
    "leases": ("Role",),
    "services/status": ("Role",),
}


@combinations
def test_nothing_is_written_but_what_is_named_here(values: Mapping[str, Any]) -> None:
    found = rights(render(values))
    assert not [each for each in found if "*" in each]
    written = {(kind, resource) for kind, resource, verb in found if verb not in READ}
    assert all(kind in WRITTEN[resource] for kind, resource in written)


def test_without_status_events_and_load_balancing_nothing_is_written() -> None:
    off = nested({"fsm.ingress.status": False, "fsm.ingress.events": False})
    assert {verb for _, _, verb in rights(render(off))} == READ


def documented() -> set[tuple[str, str, str]]:
    """The rights that docs/cluster.md tells of."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/cluster.md").read_text(), re.DOTALL)
    read = [each for block in blocks for each in yaml.safe_load_all(block)]
    roles = [each for each in read if isinstance(each, dict) and "rules" in each]
    more = [{"kind": "ClusterRole", "rules": each} for each in read if isinstance(each, list)]
    return rights([*roles, *more])


@combinations
def test_the_documentation_tells_of_every_right(values: Mapping[str, Any]) -> None:
    told = {(resource, verb) for _, resource, verb in documented()}
    assert {(resource, verb) for _, resource, verb in rights(render(values))} <= told


def test_nodes_are_read_for_load_balancing_alone() -> None:
    assert not [each for each in rights(render(FULL)) if each[1] == "nodes"]
    assert ("ClusterRole", "nodes", "get") in rights(render(ARTICLE))


def test_the_lease_and_the_service_are_ours_alone() -> None:
    role = next(each for each in render(ARTICLE) if each["kind"] == "Role")
    named = {
        (rule["resources"][0], *rule["resourceNames"])
        for rule in role["rules"]
        if "resourceNames" in rule
    }
    assert named == {
        ("leases", "fsm-ingress-pipy"),
        ("services/status", "fsm-ingress-pipy-controller"),
    }
    assert [rule["verbs"] for rule in role["rules"] if "resourceNames" not in rule] == [["create"]]


def test_with_namespaces_secrets_are_read_there_alone() -> None:
    objects = render(COMBINATIONS["namespaces"])
    everywhere = {resource for kind, resource, _ in rights(objects) if kind == "ClusterRole"}
    assert everywhere == {"ingressclasses"}
    reading = [each for each in objects if each["kind"] == "Role"]
    places = [
        each["metadata"]["namespace"]
        for each in reading
        if any("secrets" in rule["resources"] for rule in each["rules"])
    ]
    assert places == ["a", "b"]


@combinations
def test_every_role_is_bound_to_our_account(values: Mapping[str, Any]) -> None:
    objects = render(values)
    account = one(objects, "ServiceAccount")["metadata"]["name"]
    assert workload(objects)["spec"]["template"]["spec"]["serviceAccountName"] == account
    roles = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in objects
        if each["kind"] in {"ClusterRole", "Role"}
    }
    bound = {
        (each["roleRef"]["kind"], each["metadata"].get("namespace"), each["roleRef"]["name"])
        for each in objects
        if each["kind"].endswith("Binding")
        and each["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "fsm"}]
    }
    assert roles == bound


def test_the_chart_is_of_this_program() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == __version__
    assert container(render())["image"] == f"fsm-ingress:{__version__}"


def test_without_the_ingress_nothing_is_made() -> None:
    assert render(nested({"fsm.ingress.enabled": False})) == []


def test_mounted_files_are_those_of_the_arguments() -> None:
    objects = render(FULL)
    folders = tuple(each["mountPath"] for each in container(objects)["volumeMounts"])
    files = [each for each in container(objects)["args"] if each.startswith("/")]
    assert len(files) == 3
    assert all(each.startswith(folders) for each in files)
    volumes = {each["name"] for each in workload(objects)["spec"]["template"]["spec"]["volumes"]}
    assert {each["name"] for each in container(objects)["volumeMounts"]} == volumes


def test_the_notes_can_be_typed() -> None:
    notes = run_helm("install", "--dry-run=client", "--namespace", "fsm", "fsm", str(CHART))
    assert re.search(r"kubectl get svc -n fsm fsm-ingress-pipy-controller", notes)
    assert "HTTPS is off" in notes
