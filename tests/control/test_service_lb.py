"""Addresses of nodes for our Service, on an API server in memory."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.web.http import Request

from fsm_twisted.control.own_service import OwnService
from fsm_twisted.control.service_lb import NODE_RULE, ServiceLB
from fsm_twisted.objects.decode_status import Address
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.sources.cluster.api import Api
from tests.cluster.memory import MemoryNetwork, MemoryServer, Object
from tests.cluster.world import SERVICES, SLICES, FixedKeeper
from tests.net.turning import logged

NODES = "/api/v1/nodes"
MANAGER = "fsm-ingress"


class ApplyingServer(MemoryServer):
    """One that takes a status by server-side apply, as far as one owner is concerned."""

    def __init__(self) -> None:
        super().__init__()
        self.served |= {NODES}
        self.applied: list[Object] = []
        self.put(
            SERVICES,
            {
                "metadata": {"name": "fsm", "namespace": "fsm", "uid": "u"},
                "spec": {"type": "LoadBalancer"},
            },
        )

    def render(self, request: Request) -> Any:
        if request.method != b"PATCH":
            return super().render(request)
        content: Any = request.content
        body = json.loads(content.read())
        self.applied.append(body)
        return json.dumps(self.write(body["status"]["loadBalancer"]["ingress"], MANAGER)).encode()

    def write(self, ingress: list[Object], manager: str) -> Object:
        owner = {"manager": manager, "fieldsV1": {"f:status": {"f:loadBalancer": {}}}}
        item = {
            "metadata": {"name": "fsm", "namespace": "fsm", "uid": "u", "managedFields": [owner]},
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": ingress}},
        }
        self.put(SERVICES, item)
        return item

    def node(self, name: str, address: str) -> None:
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        self.put(NODES, {"metadata": {"name": name}, "status": status})

    def pods(self, *nodes: str) -> None:
        labels = {"kubernetes.io/service-name": "fsm"}
        endpoints = [{"addresses": ["10.1.0.1"], "nodeName": each} for each in nodes]
        item = {
            "metadata": {"name": "fsm-1", "namespace": "fsm", "labels": labels},
            "addressType": "IPv4",
            "endpoints": endpoints,
        }
        self.put(SLICES, item)


class World:
    def __init__(self, *, leads: bool = True) -> None:
        self.clock = Clock()
        self.server = ApplyingServer()
        self.network = MemoryNetwork(self.clock, self.server)
        self.leads = leads
        self.published: list[tuple[Address, ...]] = []
        api = Api(self.clock, FixedKeeper(), self.network.agent_for)
        self.service = OwnService(
            ObjectRef("Service", "fsm", "fsm"),
            api,
            clock=self.clock,
            draw=lambda: 0.5,
            publish=self.published.append,
        )
        self.lb = ServiceLB(
            self.service,
            api,
            MANAGER,
            clock=self.clock,
            draw=lambda: 0.5,
            is_leader=lambda: self.leads,
        )

    def start(self) -> World:
        self.service.start()
        self.lb.start()
        self.run()
        return self

    def run(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds / 0.1)):
            self.network.settle()
            self.clock.advance(0.1)
        self.network.settle()

    @property
    def shown(self) -> list[str]:
        return [str(each) for each in self.published[-1]] if self.published else []


def test_the_service_gets_the_addresses_of_nodes_with_pods_and_so_do_ingresses() -> None:
    world = World()
    world.server.node("a", "192.0.2.1")
    world.server.node("b", "192.0.2.2")
    world.server.pods("a")
    world.start()
    assert world.shown == ["192.0.2.1"]

    world.server.pods("a", "b", "unknown")
    world.run()
    assert world.shown == ["192.0.2.1", "192.0.2.2"]
    assert len(world.server.applied) == 2
    assert world.server.applied[-1]["metadata"]["uid"] == "u"
    assert world.lb.counts["ok"] == 2


def test_while_no_pod_is_ready_the_addresses_stay() -> None:
    world = World()
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    world.start()
    world.server.pods()
    with logged() as log:
        world.run(5)

    assert world.shown == ["192.0.2.1"]
    assert len(world.server.applied) == 1
    assert "what it has stays" in log.text


def test_a_node_that_changes_its_address_is_noticed_within_a_minute() -> None:
    world = World()
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    world.start()
    world.server.node("a", "192.0.2.7")
    world.run(62)

    assert world.shown == ["192.0.2.7"]


def test_what_a_cloud_has_written_is_left_alone_and_published() -> None:
    world = World()
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    world.server.write([{"ip": "203.0.113.5"}], "cloud")
    with logged() as log:
        world.start()
        world.run(70)

    assert world.server.applied == []
    assert world.shown == ["203.0.113.5"]
    assert log.text.count("cloud has written them") == 1


def test_only_the_leader_writes_and_a_new_one_at_once() -> None:
    world = World(leads=False)
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    world.start()
    world.run(70)
    assert world.server.applied == []

    world.leads = True
    world.lb.lead(is_leader=True)
    world.run()
    assert world.shown == ["192.0.2.1"]


def test_without_the_right_to_nodes_it_is_told_once_with_the_rule() -> None:
    world = World()
    world.server.forbidden.add(NODES)
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    with logged() as log:
        world.start()
        world.run(40)
    assert log.text.count(NODE_RULE) == 1

    world.server.forbidden.clear()
    world.run(40)
    assert world.shown == ["192.0.2.1"]


def test_after_its_end_nothing_is_asked() -> None:
    world = World()
    world.server.node("a", "192.0.2.1")
    world.server.pods("a")
    world.start()
    world.lb.stop()
    world.service.stop()
    world.run()
    asked = len(world.server.asked)
    world.server.pods("a", "b")
    world.run(70)

    assert len(world.server.asked) == asked
    assert world.network.open_connections == 0
    assert world.clock.getDelayedCalls() == []
