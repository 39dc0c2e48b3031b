"""Statuses are told for themselves: at once, and as no change of what is served."""

from __future__ import annotations

from fsm_twisted.objects.decode_status import Address, LoadBalancerStatus
from fsm_twisted.objects.model import ObjectRef
from tests.cluster.memory import Object
from tests.cluster.world import INGRESSES, World, ingress

WEB = ObjectRef("Ingress", "default", "web")


def with_address(item: Object, address: str) -> Object:
    return {**item, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}}


class Watched(World):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[ObjectRef, LoadBalancerStatus | None]] = []
        self.source.observe_status(lambda ref, status: self.seen.append((ref, status)))

    @property
    def addresses(self) -> list[str | None]:
        """What was told of the addresses, in its order."""
        return [
            None if status is None else " ".join(map(str, status.addresses))
            for _, status in self.seen
        ]


def test_a_status_is_told_and_is_no_change_of_the_contents() -> None:
    world = Watched()
    world.server.put(INGRESSES, ingress("web"))
    world.start()
    contents = world.source.contents
    told = len(world.told)

    world.server.put(INGRESSES, with_address(ingress("web"), "192.0.2.1"))
    world.run(1)
    assert world.addresses == ["", "192.0.2.1"]
    assert {ref for ref, _ in world.seen} == {WEB}
    assert len(world.told) == told
    assert world.source.contents is contents


def test_what_is_known_already_is_told_to_who_comes_late() -> None:
    world = World()
    world.server.put(INGRESSES, with_address(ingress("web"), "192.0.2.1"))
    world.start()
    seen: list[LoadBalancerStatus | None] = []
    world.source.observe_status(lambda _, status: seen.append(status))

    assert seen == [LoadBalancerStatus(addresses=(Address(ip="192.0.2.1"),))]


def test_an_ingress_that_is_gone_has_none() -> None:
    world = Watched()
    world.server.put(INGRESSES, ingress("web"))
    world.start()
    world.server.delete(INGRESSES, "default", "web")
    world.run(1)

    assert world.addresses == ["", None]


def test_a_list_tells_only_of_statuses_that_have_changed() -> None:
    world = Watched()
    for name in ("web", "other", "lost"):
        world.server.put(INGRESSES, ingress(name))
    world.start()
    world.seen.clear()
    world.server.break_watches()
    world.server.delete(INGRESSES, "default", "lost")
    world.server.put(INGRESSES, with_address(ingress("web"), "192.0.2.1"))
    world.server.compact()
    world.run(60)

    assert sorted(world.addresses, key=str) == ["192.0.2.1", None]


def test_an_ingress_that_cannot_be_used_has_a_status_all_the_same() -> None:
    world = Watched()
    broken: Object = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"rules": 5}}
    world.server.put(INGRESSES, with_address(broken, "192.0.2.1"))
    world.start()

    assert world.addresses == ["192.0.2.1"]
    assert world.of("Ingress") == []
