"""Services, slices of either version, and old Endpoints told as slices."""

from __future__ import annotations

import pytest

from fsm_twisted.objects.decode import Decoded, decode_object
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    EndpointPort,
    EndpointSlice,
    ObjectRef,
    Service,
    ServicePort,
    SliceEndpoint,
)
from tests.objects import documents as doc


def decoded_slice(document: doc.Document) -> tuple[EndpointSlice, Decoded]:
    decoded = decode_object(document)
    assert isinstance(decoded.value, EndpointSlice), decoded.problems
    return decoded.value, decoded


def decoded_service(document: doc.Document) -> tuple[Service, Decoded]:
    decoded = decode_object(document)
    assert isinstance(decoded.value, Service), decoded.problems
    return decoded.value, decoded


@pytest.mark.parametrize(
    ("conditions", "ready", "serving", "terminating"),
    [
        (None, True, True, False),
        ({}, True, True, False),
        ({"ready": None, "serving": None}, True, True, False),
        ({"ready": False}, False, False, False),
        ({"ready": False, "serving": True, "terminating": True}, False, True, True),
        ({"ready": True, "serving": False}, True, False, False),
    ],
)
def test_missing_conditions_mean_what_the_api_says(
    conditions: doc.Document | None, *, ready: bool, serving: bool, terminating: bool
) -> None:
    value, _ = decoded_slice(
        doc.endpoint_slice({"addresses": ["10.0.0.1"], "conditions": conditions})
    )

    assert value.endpoints == (SliceEndpoint(("10.0.0.1",), ready, serving, terminating),)


def test_a_slice_is_read_field_by_field() -> None:
    endpoint = {
        "addresses": ["fd00::1"],
        "nodeName": "n1",
        "zone": "z1",
        "targetRef": {"kind": "Pod", "name": "web-0", "namespace": "shop"},
    }
    value, decoded = decoded_slice(
        doc.endpoint_slice(
            endpoint,
            addressType="IPv6",
            ports=[{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}],
        )
    )

    assert decoded.problems == ()
    assert value.service == "web"
    assert value.address_type == "IPv6"
    assert value.endpoints == (
        SliceEndpoint(("fd00::1",), node_name="n1", zone="z1", target="Pod/web-0"),
    )
    assert value.ports == (EndpointPort("http", 80), EndpointPort("", 53, "UDP"))


def test_the_older_version_keeps_node_and_zone_in_the_topology() -> None:
    topology = {"kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "z1"}
    document = doc.endpoint_slice({"addresses": ["10.0.0.1"], "topology": topology})
    value, _ = decoded_slice({**document, "apiVersion": "discovery.k8s.io/v1beta1"})

    assert (value.endpoints[0].node_name, value.endpoints[0].zone) == ("n1", "z1")


def test_a_port_without_number_is_no_port_to_connect_to() -> None:
    value, decoded = decoded_slice(doc.endpoint_slice(ports=[{"name": "any", "port": None}]))

    assert value.ports == ()
    assert decoded.problems == ()


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ({"addresses": []}, "addresses"),
        ({"addresses": ["web"]}, "addresses[0]"),
        ({"addresses": ["10.0.0.1", "fd00::1"]}, "addresses[1]"),
        ({"addresses": ["10.0.0.01"]}, "addresses[0]"),
        ({"addresses": [10]}, "addresses[0]"),
        ({"addresses": ["10.0.0.9"], "conditions": {"ready": "yes"}}, "conditions.ready"),
    ],
)
def test_a_bad_endpoint_is_left_out_alone(bad: doc.Document, path: str) -> None:
    value, decoded = decoded_slice(
        doc.endpoint_slice({"addresses": ["10.0.0.1"]}, bad, {"addresses": ["10.0.0.2"]})
    )

    assert [each.addresses[0] for each in value.endpoints] == ["10.0.0.1", "10.0.0.2"]
    assert [problem.path for problem in decoded.problems] == [f"endpoints[1].{path}"]


def test_a_slice_of_names_is_kept_with_its_type() -> None:
    value, decoded = decoded_slice(
        doc.endpoint_slice({"addresses": ["db.example"]}, addressType="FQDN")
    )

    assert value.address_type == "FQDN"
    assert value.endpoints[0].addresses == ("db.example",)
    assert decoded.problems == ()


def test_a_slice_without_address_type_is_unusable() -> None:
    decoded = decode_object(doc.endpoint_slice(addressType=None))

    assert decoded.values == ()
    assert decoded.problems[0].path == "addressType"


def test_endpoints_become_one_slice_for_each_subset_and_family() -> None:
    decoded = decode_object(
        doc.endpoints(
            {
                "addresses": [{"ip": "10.0.0.1", "nodeName": "n1"}, {"ip": "fd00::1"}],
                "notReadyAddresses": [{"ip": "10.0.0.2"}],
                "ports": [{"name": "http", "port": 8080}],
            },
            {"addresses": [{"ip": "10.0.0.3"}], "ports": [{"name": "http", "port": 9090}]},
        )
    )
    slices = Inventory.of(decoded.values).slices_of("shop", "web")

    assert decoded.ref == ObjectRef("Endpoints", "shop", "web")
    assert [(each.metadata.name, each.address_type) for each in slices] == [
        ("web (Endpoints 2)", "IPv6"),
        ("web (Endpoints 3)", "IPv4"),
        ("web (Endpoints)", "IPv4"),
    ]
    assert slices[2].endpoints == (
        SliceEndpoint(("10.0.0.1",), node_name="n1"),
        SliceEndpoint(("10.0.0.2",), ready=False, serving=False),
    )
    assert [each.ports[0].port for each in slices] == [8080, 9090, 8080]


def test_endpoints_without_subsets_say_that_there_are_none() -> None:
    decoded = decode_object(doc.endpoints())

    assert isinstance(decoded.value, EndpointSlice)
    assert decoded.value.endpoints == ()
    assert decoded.problems == ()


def test_bad_addresses_of_endpoints_are_left_out_alone() -> None:
    decoded = decode_object(
        doc.endpoints({"addresses": [{"ip": "web"}, {}, {"ip": "127.0.0.1"}], "ports": []})
    )

    assert isinstance(decoded.value, EndpointSlice)
    assert [each.addresses for each in decoded.value.endpoints] == [("127.0.0.1",)]
    assert [problem.path for problem in decoded.problems] == [
        "subsets[0].addresses[0].ip",
        "subsets[0].addresses[1].ip",
    ]


def test_a_service_is_read_field_by_field() -> None:
    value, decoded = decoded_service(
        doc.service(
            {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http"},
            {"name": "dns", "port": 53, "protocol": "UDP"},
            type="NodePort",
        )
    )

    assert decoded.problems == ()
    assert value.type == "NodePort"
    assert value.ports == (
        ServicePort("http", 80, "web", app_protocol="http"),
        ServicePort("dns", 53, 53, "UDP"),
    )


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ({"name": "x"}, "ports[1].port"),
        ({"name": "x", "port": "80"}, "ports[1].port"),
        ({"name": "x", "port": True}, "ports[1].port"),
        ({"name": "x", "port": 80.0}, "ports[1].port"),
        ({"name": "x", "port": 80, "protocol": "tcp"}, "ports[1].protocol"),
        ({"name": "x", "port": 80, "targetPort": -1}, "ports[1].targetPort"),
        ({"name": "X", "port": 80}, "ports[1].name"),
        ({"port": 81}, "ports"),
    ],
)
def test_a_bad_port_of_a_service_is_left_out_alone(bad: doc.Document, path: str) -> None:
    value, decoded = decoded_service(doc.service({"port": 80}, bad, {"name": "z", "port": 90}))

    assert [each.port for each in value.ports] == [80, 90]
    assert [problem.path for problem in decoded.problems] == [f"spec.{path}"]


def test_an_external_service_needs_a_name() -> None:
    value, _ = decoded_service(doc.service(type="ExternalName", externalName="db.example."))

    assert value.external_name == "db.example"
    assert decode_object(doc.service(type="ExternalName")).values == ()
    assert decode_object(doc.service(type="Unknown")).values == ()
