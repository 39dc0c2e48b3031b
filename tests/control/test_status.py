"""The status of our Ingresses: written when it should be, never otherwise, and not too fast."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from fsm_twisted.compiler.compile import Compiled
from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.status import RULE, StatusWriter
from fsm_twisted.objects.decode_status import Address, decode_status
from fsm_twisted.objects.model import Ingress, Metadata, ObjectRef
from fsm_twisted.snapshot.model import EMPTY
from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import ApiError
from fsm_twisted.sources.contents import Contents
from tests.control.cluster_store import Asked, Store, forbidden
from tests.net.turning import logged

ONE = (Address(ip="192.0.2.1"),)
TWO = (Address(hostname="lb.example"), Address(ip="192.0.2.2"))
MANAGER = "fsm-ingress"


def path_of(name: str, namespace: str = "default") -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}"


class World:
    """A writer that is told of everything that the store holds, at once."""

    def __init__(self, *, leads: bool = True, seconds: float = 0.0) -> None:
        self.clock = Clock()
        self.store = Store(self.clock, lambda _: (seconds, seconds))
        self.store.changed = self.changed
        self.leads = leads
        self.writer = StatusWriter(
            self.store,
            MANAGER,
            clock=self.clock,
            draw=lambda: 0.5,
            is_leader=lambda: self.leads,
        )

    def changed(self, path: str) -> None:
        item = self.store.objects[path]
        metadata = item["metadata"]
        ref = ObjectRef("Ingress", metadata["namespace"], metadata["name"])
        self.writer.see(ref, decode_status(item))

    def create(self, *names: str, uid: str = "1", namespace: str = "default") -> None:
        for name in names:
            metadata = {"name": name, "namespace": namespace, "uid": f"{name}-{uid}"}
            self.store.put(path_of(name, namespace), {"metadata": metadata})

    def delete(self, name: str) -> None:
        del self.store.objects[path_of(name)]
        self.writer.see(ObjectRef("Ingress", "default", name), None)

    def serve(self, *names: str, uid: str = "1", hidden: str = "", shut: str = "") -> None:
        """Have every worker serve these Ingresses, and know all but one that is hidden."""
        served = {(name, "default") for name in names} | {(shut, "shut")}
        everything = [
            Ingress(Metadata(each["name"], each["namespace"], uid=each["uid"]))
            for each in (item["metadata"] for item in self.store.objects.values())
            if each["name"] != hidden
        ]
        ours = tuple(
            each
            for each in everything
            if (each.metadata.name, each.metadata.namespace) in served
            and each.metadata.uid.endswith(f"-{uid}")
        )
        compiled = Compiled(EMPTY, (), (), ours)
        self.writer.serve(Outcome(Contents(tuple(everything)), compiled, (), EMPTY))

    def run(self, seconds: float = 0.0, step: float = 0.01) -> None:
        self.clock.advance(0)
        self.clock.pump([step] * round(seconds / step))

    def addresses(self, name: str) -> tuple[Address, ...]:
        return decode_status(self.store.objects[path_of(name)]).addresses

    def meddle(self, name: str, *addresses: str, manager: str = "other") -> None:
        """Have another controller write a status."""
        item = self.store.objects[path_of(name)]
        owner = {"manager": manager, "fieldsV1": {"f:status": {"f:loadBalancer": {}}}}
        ingress = [{"ip": each} for each in addresses]
        metadata = {**item["metadata"], "managedFields": [owner]}
        status = {"loadBalancer": {"ingress": ingress}}
        self.store.put(path_of(name), {**item, "metadata": metadata, "status": status})


def world_with(*names: str, leads: bool = True) -> World:
    """Return a world in which these Ingresses are served and have their address."""
    world = World(leads=leads)
    world.create(*names)
    world.writer.publish(ONE)
    world.serve(*names)
    world.run()
    return world


def test_an_ingress_of_ours_gets_the_address_by_server_side_apply() -> None:
    world = world_with("web")

    (asked,) = world.store.asked
    assert (asked.method, asked.path) == ("PATCH", f"{path_of('web')}/status")
    assert asked.query == {"fieldManager": MANAGER, "force": "true"}
    assert asked.body == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "default", "uid": "web-1"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }
    assert world.writer.counts == {"ok": 1, "failed": 0}


def test_nothing_is_written_before_it_is_served() -> None:
    world = World()
    world.create("web", "other")
    world.writer.publish(ONE)
    world.run(5)
    assert world.store.asked == []

    world.serve("web")
    world.run(5)
    assert world.addresses("web") == ONE
    assert world.addresses("other") == ()


def test_a_namesake_waits_until_it_is_served_itself() -> None:
    world = world_with("web")
    world.delete("web")
    world.create("web", uid="2")
    world.run(5)
    assert world.addresses("web") == ()

    world.serve("web", uid="2")
    world.run()
    assert world.addresses("web") == ONE


def test_what_is_right_is_not_written_again() -> None:
    world = world_with("web")
    world.serve("web")
    world.changed(path_of("web"))
    world.writer.lead(is_leader=True)
    world.run(10)

    assert len(world.store.asked) == 1


def test_an_address_that_changes_is_written_everywhere() -> None:
    world = world_with("a", "b")
    world.writer.publish(TWO)
    world.run()

    assert world.addresses("a") == world.addresses("b") == TWO


def test_an_address_that_is_unknown_takes_nothing_away() -> None:
    world = world_with("web")
    world.writer.publish(())
    world.run(10)

    assert world.addresses("web") == ONE
    assert len(world.store.asked) == 1


def test_who_does_not_lead_writes_nothing_and_a_leader_what_is_missing() -> None:
    world = world_with("web", leads=False)
    world.run(10)
    assert world.store.asked == []

    world.leads = True
    world.writer.lead(is_leader=True)
    world.run()
    assert world.addresses("web") == ONE


def test_leadership_that_is_lost_leaves_the_status_and_ends_what_is_under_way() -> None:
    world = world_with("web")
    many = [f"n{number}" for number in range(100)]
    world.create(*many)
    world.serve("web", *many)
    world.clock.advance(0)
    written = len(world.store.asked)
    world.leads = False
    world.writer.lead(is_leader=False)
    world.run(30)

    assert world.addresses("web") == ONE
    assert len(world.store.asked) == written
    assert world.writer.behind == 0


def test_an_ingress_that_leaves_us_loses_our_address_and_no_other() -> None:
    world = world_with("a", "b")
    world.meddle("b", "203.0.113.9")
    world.serve()
    world.run(0.9)
    assert world.addresses("a") == ONE
    world.run(0.2)

    assert world.addresses("a") == ()
    assert world.addresses("b") == (Address(ip="203.0.113.9"),)
    assert "status" not in world.store.asked[-1].body


def test_one_that_left_while_nobody_led_loses_it_when_somebody_does() -> None:
    world = World()
    world.create("web", "foreign")
    world.meddle("web", "192.0.2.1", manager=MANAGER)
    world.meddle("foreign", "192.0.2.1")
    world.writer.publish(ONE)
    world.run(5)
    assert world.store.asked == []

    world.serve()
    world.run(5)
    assert world.addresses("web") == ()
    assert world.addresses("foreign") == ONE


def test_one_of_a_namespace_that_is_not_ours_any_more_keeps_it_for_whoever_follows_that() -> None:
    world = world_with("web")
    world.serve(hidden="web")
    world.run(5)

    assert world.addresses("web") == ONE


def test_one_that_comes_back_at_once_keeps_its_address() -> None:
    world = world_with("web")
    world.serve()
    world.run(0.5)
    world.serve("web")
    world.run(5)

    assert world.addresses("web") == ONE
    assert len(world.store.asked) == 1


def test_an_address_of_another_controller_is_replaced_in_an_ingress_of_ours() -> None:
    world = World()
    world.create("web")
    world.meddle("web", "203.0.113.9")
    world.writer.publish(ONE)
    world.serve("web")
    world.run()

    assert world.addresses("web") == ONE


def test_who_writes_the_same_status_is_named_once_and_answered_ever_more_slowly() -> None:
    world = world_with("web")
    with logged() as log:
        for _ in range(6):
            world.meddle("web", "203.0.113.9", manager="nginx")
            world.run(100, 0.5)

    assert log.text.count("nginx writes its addresses as well") == 1
    patches = [each.at for each in world.store.asked]
    waits = [after - 100 * index for index, after in enumerate(patches[1:])]
    assert waits == sorted(waits)
    assert waits[0] < 2.1
    assert 40 < waits[5] < 50
    assert world.addresses("web") == ONE


def test_an_old_event_after_our_write_is_no_quarrel() -> None:
    world = world_with("web")
    ref = ObjectRef("Ingress", "default", "web")
    world.writer.see(ref, decode_status({"metadata": {"uid": "web-1"}}))
    world.changed(path_of("web"))
    with logged() as log:
        world.run(10)

    assert len(world.store.asked) == 1
    assert log.text == ""


def test_many_are_written_twenty_at_a_time_and_fifty_a_second() -> None:
    world = World(seconds=0.25)
    names = [f"n{number}" for number in range(400)]
    world.create(*names)
    world.writer.publish(ONE)
    world.serve(*names)
    world.run(30)

    at = [each.at for each in world.store.asked]
    assert len(at) == 400
    assert world.store.most_in_flight == 20
    assert max(sum(start <= each < start + 1 for each in at) for start in at) <= 100
    assert 350 / 50 - 1 < at[-1] - at[0] < 12


def test_an_ingress_without_any_address_goes_before_those_with_an_old_one() -> None:
    old = [f"n{number}" for number in range(200)]
    world = world_with(*old)
    world.run(10)
    world.writer.publish(TWO)
    world.run(0.5)
    world.create("new")
    world.serve(*old, "new")
    world.run(0.2)

    assert world.addresses("new") == TWO
    assert world.writer.behind > 100


@pytest.mark.parametrize(
    "failure", [ApiFailure("cut off"), ApiError(503, "busy"), ApiError(429, "slow down", 5.0)]
)
def test_what_passes_is_tried_again_and_told_once(failure: ApiFailure) -> None:
    world = world_with()
    world.store.fault = lambda _: failure
    with logged() as log:
        world.create("a", "b")
        world.serve("a", "b")
        world.run(30)
        tried = len(world.store.asked)
        world.store.fault = lambda _: None
        world.run(40)

    assert tried < 40
    assert world.addresses("a") == world.addresses("b") == ONE
    assert log.text.count(str(failure)) == 1
    assert log.text.count("it can be written again") == 1


def test_without_the_right_it_is_told_once_with_the_rule_and_asked_rarely() -> None:
    world = world_with()
    world.store.fault = lambda asked: forbidden(f"may not {asked.path}")
    many = [f"n{number}" for number in range(50)]
    with logged() as log:
        world.create(*many)
        world.serve(*many)
        world.run(300, 0.1)

    assert log.text.count(RULE) == 1
    assert len(world.store.asked) < 400
    assert sum(each.at > 120 for each in world.store.asked) <= 4 * 20
    world.store.fault = lambda _: None
    with logged() as log:
        world.run(61, 0.1)
    assert all(world.addresses(each) == ONE for each in many)
    assert log.text.count("it can be written again") == 1


def test_a_namespace_without_the_right_hinders_no_other() -> None:
    world = world_with()
    world.store.fault = lambda asked: forbidden("no") if "/shut/" in asked.path else None
    with logged() as log:
        world.create("a", namespace="shut")
        world.create("b", "c")
        world.serve("b", "c", shut="a")
        world.run(0.1)
        world.serve("b", shut="a")
        world.run(60, 0.1)

    assert world.addresses("b") == ONE
    assert world.addresses("c") == ()
    assert log.text.count("we may not write") == 1
    assert "written again" not in log.text
    assert len([each for each in world.store.asked if "/shut/" in each.path]) < 8


def test_an_ingress_that_is_gone_is_left_alone() -> None:
    world = World()
    world.create("web")
    world.serve("web")
    del world.store.objects[path_of("web")]
    world.writer.publish(ONE)
    world.run(60, 0.1)

    assert len(world.store.asked) == 1


def test_a_write_that_makes_no_sense_to_the_server_hinders_no_other() -> None:
    def refuse(asked: Asked) -> ApiError | None:
        return ApiError(422, "invalid") if "/a/" in asked.path else None

    world = world_with()
    world.store.fault = refuse
    world.create("a", "b")
    world.serve("a", "b")
    world.run(100, 0.1)

    assert world.addresses("b") == ONE
    assert len(world.store.asked) == 2


def test_after_its_end_nothing_is_written() -> None:
    world = world_with("web")
    world.writer.publish(TWO)
    world.writer.stop()
    world.run(10)

    assert world.addresses("web") == ONE
