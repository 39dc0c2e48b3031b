"""Each value of the chart has an effect, and each wrong one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.rendering import CHART, Refused, nested, render
from tests.compiler.test_documentation import generator

VALUES = generator().described_values((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
INGRESS = "fsm.ingress"
TLS = {"tls.enabled": True}
SCALED = {"autoScale.enable": True}
BUDGET = {"enablePodDisruptionBudget": True}
POLICY = {"networkPolicy.enabled": True}
MONITOR = {"metrics.serviceMonitor.enabled": True}
RULE = {"metrics.prometheusRule.enabled": True}
DASHBOARD = {"metrics.grafanaDashboard.enabled": True}
SPREAD = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
PEERS: list[Any] = [{"podSelector": {}}]

# Another value than the default for each, and what else must be set for it to count.
CHANGES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "enabled": (False, {}),
    "name": ("other", {}),
    "className": ("other", {}),
    "createClass": (False, {}),
    "defaultClass": (True, {}),
    "controllerName": ("example.com/other", {}),
    "kind": ("DaemonSet", {}),
    "replicaCount": (2, {}),
    "workers": (3, {}),
    "ipFamilies": (["IPv6"], {}),
    "image.repository": ("other/image", {}),
    "image.tag": ("7", {}),
    "image.digest": ("sha256:" + "0" * 64, {}),
    "image.pullPolicy": ("Always", {}),
    "image.pullSecrets": ([{"name": "registry"}], {}),
    "http.enabled": (False, TLS),
    "http.port": (8080, {}),
    "http.containerPort": (8080, {}),
    "http.nodePort": (None, {}),
    "http.hostPort": (8080, {}),
    "tls.enabled": (True, {}),
    "tls.port": (8443, TLS),
    "tls.containerPort": (9443, TLS),
    "tls.nodePort": (30000, TLS),
    "tls.hostPort": (8443, TLS),
    "tls.plainHttp": ("forbid", TLS),
    "tls.hsts": ("max-age=31536000; includeSubDomains", TLS),
    "tls.sslPassthrough.enabled": (True, TLS),
    "tls.minVersion": ("1.3", TLS),
    "tls.ciphers": ("ECDHE+AESGCM", TLS),
    "tls.mTLS": (True, TLS),
    "tls.defaultSecret": ("cert", TLS),
    "service.name": ("other", {}),
    "service.type": ("ClusterIP", {}),
    "service.annotations": ({"a": "b"}, {}),
    "service.labels": ({"a": "b"}, {}),
    "service.externalTrafficPolicy": ("Local", {}),
    "service.loadBalancerClass": ("internal", {}),
    "service.loadBalancerIP": ("192.0.2.7", {}),
    "service.loadBalancerSourceRanges": (["192.0.2.0/24"], {}),
    "service.externalIPs": (["192.0.2.7"], {}),
    "status": (False, {}),
    "publishAddresses": (["192.0.2.7"], {}),
    "events": (False, {}),
    "watchNamespaces": (["a", "b"], {}),
    "watchNamespaceSelector": ("team=web", {}),
    "trustedProxies": (["10.0.0.0/8"], {}),
    "proxyProtocol": (True, {}),
    "sessionKeySecret": ("session", {}),
    "accessLog": ("-", {}),
    "accessLogFormat": ("nginx", {"accessLog": "-"}),
    "traceCollector": ("http://collector:4318", {}),
    "traceSample": (0.5, {"traceCollector": "http://collector:4318"}),
    "logLevel": ("debug", {}),
    "logFormat": ("json", {}),
    "extraArgs": (["--body-limit", "1m"], {}),
    "env": ([{"name": "A", "value": "b"}], {}),
    "extraVolumes": ([{"name": "a", "emptyDir": {}}], {}),
    "extraVolumeMounts": ([{"name": "tmp", "mountPath": "/b"}], {}),
    "resources": ({"limits": {"cpu": "4"}}, {}),
    "drainDelay": (1.5, {}),
    "drainTimeout": (20, {}),
    "terminationGracePeriodSeconds": (90, {}),
    "updateStrategy": ({"type": "Recreate", "rollingUpdate": None}, {}),
    "minReadySeconds": (5, {}),
    "revisionHistoryLimit": (2, {}),
    "adminPort": (10300, {}),
    "adminApi": (False, {}),
    "startupProbe": ({"failureThreshold": 90}, {}),
    "livenessProbe": ({"failureThreshold": 9}, {}),
    "readinessProbe": ({"failureThreshold": 9}, {}),
    "podLabels": ({"a": "b"}, {}),
    "podAnnotations": ({"a": "b"}, {}),
    "podSecurityContext": ({"runAsUser": 1000}, {}),
    "securityContext": ({"runAsNonRoot": True}, {}),
    "priorityClassName": ("system-cluster-critical", {}),
    "nodeSelector": ({"a": "b"}, {}),
    "tolerations": ([{"operator": "Exists"}], {}),
    "affinity": ({"nodeAffinity": {}}, {}),
    "topologySpreadConstraints": ([SPREAD], {}),
    "enablePodDisruptionBudget": (True, {}),
    "podDisruptionBudget.minAvailable": (0, BUDGET),
    "podDisruptionBudget.maxUnavailable": ("50%", BUDGET),
    "autoScale.enable": (True, {}),
    "autoScale.minReplicas": (2, SCALED),
    "autoScale.maxReplicas": (9, SCALED),
    "autoScale.cpu.targetAverageUtilization": (60, SCALED),
    "autoScale.memory.targetAverageUtilization": (None, SCALED),
    "autoScale.behavior": ({"scaleDown": {"stabilizationWindowSeconds": 600}}, SCALED),
    "networkPolicy.enabled": (True, {}),
    "networkPolicy.clients": (PEERS, POLICY),
    "networkPolicy.admin": (PEERS, POLICY),
    "networkPolicy.egress": ([], POLICY),
    "metrics.enabled": (True, {}),
    "metrics.serviceMonitor.enabled": (True, {}),
    "metrics.serviceMonitor.namespace": ("monitoring", MONITOR),
    "metrics.serviceMonitor.labels": ({"a": "b"}, MONITOR),
    "metrics.serviceMonitor.interval": ("15s", MONITOR),
    "metrics.serviceMonitor.metricRelabelings": ([{"action": "drop"}], MONITOR),
    "metrics.prometheusRule.enabled": (True, {}),
    "metrics.prometheusRule.namespace": ("other", RULE),
    "metrics.prometheusRule.labels": ({"a": "b"}, RULE),
    "metrics.grafanaDashboard.enabled": (True, {}),
    "metrics.grafanaDashboard.namespace": ("other", DASHBOARD),
    "metrics.grafanaDashboard.labels": ({"a": "b"}, DASHBOARD),
}
OTHERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "fsm.serviceAccount.create": (False, {}),
    "fsm.serviceAccount.name": ("other", {}),
    "fsm.serviceAccount.annotations": ({"a": "b"}, {}),
    "fsm.rbac.create": (False, {}),
    "fsm.serviceLB.enabled": (True, {}),
}
EFFECTS = {
    **{f"{INGRESS}.{path}": change for path, change in CHANGES.items()},
    **OTHERS,
}
# These are accepted for those who come from FSM.
WITHOUT_EFFECT = {
    "fsm.version",
    "fsm.ingress.namespaced",
    "fsm.ingress.tls.mTLS",
    "fsm.ingress.tls.sslPassthrough.upstreamPort",
}


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The names that are not places for further names."""
    for name, value in tree.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and path not in VALUES:
            yield from leaves(value, f"{path}.")
        else:
            yield path


def test_every_value_is_described() -> None:
    tree = yaml.safe_load((CHART / "values.yaml").read_text())

    assert list(leaves(tree)) == list(VALUES)


def test_every_value_has_another_one_here() -> None:
    assert set(EFFECTS) | WITHOUT_EFFECT == set(VALUES)


@pytest.mark.parametrize("path", EFFECTS)
def test_every_value_has_an_effect(path: str) -> None:
    value, needed = EFFECTS[path]
    before = {f"{INGRESS}.{each}": such for each, such in needed.items()}

    assert value != VALUES[path][0]
    assert render(nested({**before, path: value})) != render(nested(before))


def schema_of(path: str) -> dict[str, Any]:
    """The schema that a value has; names on the way that it does not know are an error."""
    place: dict[str, Any] = SCHEMA
    for name in path.split("."):
        place = resolved(place)["properties"][name]
    return resolved(place)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return SCHEMA["$defs"][name] if name else schema


def named(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the schema that has names, with its path."""
    schema = resolved(schema)
    if "properties" in schema:
        yield above, schema
        for name, part in schema["properties"].items():
            yield from named(part, f"{above}.{name}" if above else name)


def test_the_schema_knows_the_same_values() -> None:
    tree = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in VALUES:
        schema_of(path)
    for path, schema in named(SCHEMA):
        if not path or path in VALUES:
            continue
        place = tree
        for name in path.split("."):
            place = place[name]
        assert set(place) == set(schema["properties"])


def test_a_typo_is_refused_at_every_place() -> None:
    places = list(named(SCHEMA))
    for path, schema in places:
        assert schema["additionalProperties"] is False, path
        typo = nested({f"{path}.enabeld".lstrip("."): True})
        with pytest.raises(jsonschema.ValidationError, match="enabeld"):
            jsonschema.validate(typo, SCHEMA)
    assert len(places) > 20


def test_helm_refuses_by_the_schema_and_names_the_place() -> None:
    with pytest.raises(Refused, match=r"'/fsm/ingress'.*'replicas'"):
        render({"fsm": {"ingress": {"replicas": 2}}})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"http.enabled": False}, "nothing would listen"),
        ({"tls.enabled": False, "tls.mTLS": True}, "needs fsm.ingress.tls.enabled"),
        ({"tls.minVersion": "1.1"}, "minVersion"),
        ({"tls.ciphers": "a b"}, "ciphers"),
        ({"tls.sslPassthrough.enabled": True}, "needs the port for TLS"),
        ({"kind": "DaemonSet", **SCALED}, "needs a Deployment"),
        ({**SCALED, "autoScale.minReplicas": 6}, "more than maxReplicas"),
        (
            {
                **SCALED,
                "autoScale.cpu.targetAverageUtilization": None,
                "autoScale.memory.targetAverageUtilization": None,
            },
            "needs cpu.targetAverageUtilization",
        ),
        ({"drainTimeout": 55}, "killed while they drain"),
        ({"watchNamespaces": ["a"], "watchNamespaceSelector": "b=c"}, "set one of them"),
        ({"namespaced": True}, "namespaced"),
        ({"logLevel": "loud"}, "logLevel"),
        ({"http.port": 70000}, "port"),
        ({"name": "Not A Name"}, "name"),
    ],
)
def test_what_cannot_work_is_refused_with_a_word(values: Mapping[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        render(nested({f"{INGRESS}.{path}": value for path, value in values.items()}))


def test_service_load_balancing_needs_a_service_for_it() -> None:
    values = {"fsm.serviceLB.enabled": True, "fsm.ingress.service.type": "NodePort"}
    with pytest.raises(Refused, match="type=LoadBalancer"):
        render(nested(values))
