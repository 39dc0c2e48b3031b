"""Which addresses a Service has, and which its nodes have for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.control.addresses import address_of, addresses_of, in_order
from fsm_twisted.control.nodes import (
    ENABLE_LABEL,
    POOL_LABEL,
    node_addresses,
    ready_nodes,
    why_not,
)
from fsm_twisted.objects.decode_status import Address
from fsm_twisted.objects.model import EndpointSlice, Metadata, SliceEndpoint

BALANCER = [{"hostname": "lb.example"}, {"ip": "192.0.2.9"}]


def service(*addresses: Any, **spec: Any) -> dict[str, Any]:
    return {"spec": spec, "status": {"loadBalancer": {"ingress": list(addresses)}}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (service(*BALANCER, type="LoadBalancer"), ["lb.example", "192.0.2.9"]),
        (service(type="LoadBalancer", clusterIP="10.0.0.1"), []),
        (
            service(*BALANCER, type="LoadBalancer", externalIPs=["192.0.2.1", "192.0.2.9"]),
            ["lb.example", "192.0.2.1", "192.0.2.9"],
        ),
        (service(type="NodePort", clusterIP="10.0.0.1"), ["10.0.0.1"]),
        (service(type="NodePort", clusterIP="10.0.0.1", externalIPs=["192.0.2.1"]), ["192.0.2.1"]),
        (
            service(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "fd00::1"]),
            ["10.0.0.1", "fd00::1"],
        ),
        (service(type="ClusterIP", clusterIP="None", clusterIPs=["None"]), []),
        (service(type="ExternalName", externalName="lb.example."), ["lb.example"]),
        ({}, []),
        ({"spec": None}, []),
        ({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [5, {}]}}}, []),
    ],
)
def test_the_type_decides_which_addresses_a_service_has(
    item: dict[str, Any], expected: list[str]
) -> None:
    assert [str(each) for each in addresses_of(item)] == expected


def test_an_option_names_an_ip_address_or_a_host() -> None:
    assert address_of("192.0.2.1").encode() == {"ip": "192.0.2.1"}
    assert address_of("2001:DB8::1").encode() == {"ip": "2001:db8::1"}
    assert address_of("lb.example").encode() == {"hostname": "lb.example"}


@given(st.lists(st.builds(Address, st.text(max_size=3), st.text(max_size=3)), max_size=6))
def test_the_order_in_which_addresses_are_told_means_nothing(addresses: list[Address]) -> None:
    assert in_order(addresses) == in_order(reversed(addresses)) == in_order(addresses * 2)


# Nodes


def node(*addresses: tuple[str, str], **labels: str) -> dict[str, Any]:
    told = [{"type": kind, "address": each} for kind, each in addresses]
    names = {"pool": POOL_LABEL, "enabled": ENABLE_LABEL}
    return {
        "metadata": {"labels": {names[key]: value for key, value in labels.items()}},
        "status": {"addresses": told},
    }


INNER = ("InternalIP", "10.0.0.1")
OUTER = ("ExternalIP", "192.0.2.1")
NAME = ("Hostname", "node-1")
SIX = ("InternalIP", "fd00::1")
OTHER = ("InternalIP", "10.0.0.2")


@pytest.mark.parametrize(
    ("item", "nodes", "expected"),
    [
        ({}, [node(INNER, NAME)], ["10.0.0.1"]),
        ({}, [node(INNER, OUTER)], ["192.0.2.1"]),
        ({}, [node(OTHER), node(INNER, OUTER)], ["192.0.2.1"]),
        ({}, [node(OTHER), node(INNER)], ["10.0.0.1", "10.0.0.2"]),
        ({}, [node(INNER, SIX)], ["10.0.0.1", "fd00::1"]),
        ({"spec": {"ipFamilies": ["IPv6"]}}, [node(INNER, SIX)], ["fd00::1"]),
        ({}, [node(INNER, enabled="true"), node(OTHER)], ["10.0.0.1"]),
        ({}, [node(INNER, enabled="false"), node(OTHER)], ["10.0.0.1", "10.0.0.2"]),
        (
            {"metadata": {"labels": {POOL_LABEL: "edge"}}},
            [node(INNER, pool="edge"), node(OTHER, pool="core"), node(SIX)],
            ["10.0.0.1"],
        ),
        ({}, [], []),
        ({}, [{}, {"status": {"addresses": [5, {"type": "InternalIP"}]}}], []),
    ],
)
def test_nodes_are_chosen_by_their_labels_and_outer_addresses_come_first(
    item: dict[str, Any], nodes: list[dict[str, Any]], expected: list[str]
) -> None:
    assert [str(each) for each in node_addresses(item, nodes)] == expected


def test_only_nodes_with_a_ready_pod_of_the_service_count() -> None:
    def slice_of(service: str, *endpoints: SliceEndpoint) -> EndpointSlice:
        return EndpointSlice(Metadata("s", "fsm"), service, endpoints=endpoints)

    def endpoint(name: str, *, ready: bool = True, ending: bool = False) -> SliceEndpoint:
        return SliceEndpoint(("10.1.0.1",), ready, ready, ending, name)

    slices = [
        slice_of("fsm", endpoint("b"), endpoint("a"), endpoint("a"), endpoint("")),
        slice_of("fsm", endpoint("c", ready=False), endpoint("d", ending=True)),
        slice_of("other", endpoint("e")),
    ]
    assert ready_nodes(slices, "fsm") == ("a", "b")


def test_a_service_of_another_kind_or_class_is_not_ours_to_give_addresses_to() -> None:
    assert why_not(service(type="LoadBalancer")) == ""
    assert "LoadBalancer" in why_not(service(type="NodePort"))
    assert "cloud.example/lb" in why_not(
        service(type="LoadBalancer", loadBalancerClass="cloud.example/lb")
    )
    assert why_not({}) != ""
