"""Events over time: what is written, repeated, withdrawn and dropped; on an API in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.web.http import Request
from twisted.web.resource import Resource

from fsm_twisted.compiler.compile import Compiled
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.event_limits import OBJECT_BURST, TOTAL_BURST
from fsm_twisted.control.event_queue import FORBIDDEN_SECONDS, EventQueue
from fsm_twisted.control.events import HANDOVER_SECONDS, REPEAT_SECONDS, Events
from fsm_twisted.control.notes import Author
from fsm_twisted.objects.model import Ingress, Metadata, ServiceBackend, ref_of
from fsm_twisted.snapshot.model import EMPTY
from fsm_twisted.snapshot.reasons import FINDINGS
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.contents import Contents
from tests.cluster.memory import MemoryNetwork
from tests.cluster.world import FixedKeeper

PREFIX = "pipy.ingress.kubernetes.io/"


class EventServer(Resource):
    """Keeps Events as the API server does: refuses a name twice, patches series."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.refusal: tuple[int, str] | None = None

    def render(self, request: Request) -> bytes:
        content: Any = request.content
        body = json.loads(content.read())
        path = request.path.decode()
        self.asked.append((request.method.decode(), path))
        name = body["metadata"]["name"] if request.method == b"POST" else path.rpartition("/")[2]
        if self.refusal is not None:
            return self._refuse(request, *self.refusal)
        if request.method == b"POST":
            if name in self.kept:
                return self._refuse(request, 409, "it exists")
            self.kept[name] = body
        elif name not in self.kept:
            return self._refuse(request, 404, "it is not there")
        else:
            series = {"count": 0, **self.kept[name].get("series", {}), **body["series"]}
            self.kept[name] = {**self.kept[name], "series": series}
        return json.dumps(self.kept[name]).encode()

    @staticmethod
    def _refuse(request: Request, code: int, message: str) -> bytes:
        request.setResponseCode(code)
        return json.dumps({"kind": "Status", "code": code, "message": message}).encode()

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """The Events by reason, each with the count of its series."""
        return sorted(
            (each["reason"], each.get("series", {}).get("count", 1)) for each in self.kept.values()
        )


class World:
    def __init__(self, server: EventServer | None = None) -> None:
        self.clock = Clock()
        self.server = server or EventServer()
        self.network = MemoryNetwork(self.clock, self.server)
        self.is_leader = True
        self.served: Deferred[None] = succeed(None)
        began = datetime(2026, 1, 1, tzinfo=UTC)
        self.queue = EventQueue(
            Api(self.clock, FixedKeeper(), self.network.agent_for),
            Author("flomesh.io/ingress-pipy", "pod-1"),
            clock=self.clock,
            wall=lambda: began + timedelta(seconds=self.clock.seconds()),
            draw=lambda: 0.5,
            is_leader=lambda: self.is_leader,
        )
        self.events = Events(
            self.queue,
            annotation_prefix=PREFIX,
            when_served=lambda _: self.served,
            clock=self.clock,
            is_leader=lambda: self.is_leader,
        )
        self.events.start()

    def tell(self, *codes: str, ours: tuple[Ingress, ...] = ()) -> None:
        """Compile to findings of one Ingress, and to these Ingresses of ours."""
        found = tuple(
            Finding(ref_of(WEB), FINDINGS[code], "what", "instead", "how") for code in codes
        )
        compiled = Compiled(EMPTY, found, (), ours)
        self.events.observe(Outcome(Contents((WEB, *ours)), compiled, found, EMPTY))
        self.run(0.01)

    def run(self, seconds: float) -> None:
        end = self.clock.seconds() + seconds
        self.network.settle()
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(max(seconds / 50, 0.005), end - self.clock.seconds()))
            for _ in range(5):
                self.network.settle()
                self.clock.advance(0)

    def count(self, name: str) -> float:
        return self.events.counts()[name]

    def end(self) -> None:
        self.events.stop()
        self.run(0.01)
        assert self.clock.getDelayedCalls() == []


WEB = Ingress(Metadata("web", "shop", uid="u1"), default_backend=ServiceBackend("cart", 80))


@pytest.fixture
def world() -> World:
    return World()


def test_a_finding_is_told_once_however_often_is_compiled(world: World) -> None:
    world.tell("no_endpoints")
    world.tell("no_endpoints", "claim_repeated")
    world.tell("no_endpoints")
    world.run(1)

    assert world.server.reasons == [("ClaimRepeated", 1), ("NoEndpoints", 1)]
    world.end()


def test_a_standing_finding_is_told_again_before_the_api_server_forgets_it(world: World) -> None:
    world.tell("no_endpoints")
    world.run(1)
    world.run(REPEAT_SECONDS)
    assert world.server.reasons == [("NoEndpoints", 2)]

    world.server.kept.clear()
    world.run(REPEAT_SECONDS)
    assert world.server.reasons == [("NoEndpoints", 1)]

    world.tell()
    before = len(world.server.asked)
    world.run(REPEAT_SECONDS)
    assert len(world.server.asked) == before
    world.end()


def test_a_finding_that_comes_back_goes_on_in_its_series(world: World) -> None:
    for _ in range(3):
        world.tell("no_endpoints")
        world.run(1)
        world.tell()
    assert world.server.reasons == [("NoEndpoints", 3)]
    world.end()


def test_a_flapping_finding_is_limited(world: World) -> None:
    for _ in range(OBJECT_BURST + 5):
        world.tell("no_endpoints")
        world.run(0.5)
        world.tell()
    assert len(world.server.asked) == OBJECT_BURST
    assert world.count('events_dropped_total{reason="limit"}') == 5
    world.end()


def test_synced_comes_when_every_worker_serves_it_and_not_before(world: World) -> None:
    world.served = Deferred()
    world.tell(ours=(WEB,))
    world.run(1)
    assert world.server.reasons == []

    world.served.callback(None)
    world.run(1)
    assert world.server.reasons == [("Synced", 1)]
    world.end()


def test_an_ingress_that_went_before_it_was_served_is_not_synced(world: World) -> None:
    world.served = waiting = Deferred[None]()
    world.tell(ours=(WEB,))
    world.served = succeed(None)
    world.tell()
    waiting.callback(None)
    world.run(1)
    assert world.server.reasons == []
    world.end()


def test_an_ingress_is_synced_again_when_it_says_something_else(world: World) -> None:
    world.tell(ours=(WEB,))
    touched = attrs.evolve(WEB, metadata=attrs.evolve(WEB.metadata, labels={"a": "b"}))
    world.tell(ours=(touched,))
    world.run(1)
    assert world.server.reasons == [("Synced", 1)]

    world.tell(ours=(attrs.evolve(WEB, default_backend=ServiceBackend("other", 80)),))
    world.run(1)
    assert world.server.reasons == [("Synced", 1), ("Synced", 1)]
    world.end()


def test_an_ingress_with_an_error_is_synced_when_it_is_mended(world: World) -> None:
    world.tell("service_missing", ours=(WEB,))
    world.run(1)
    assert world.server.reasons == [("ServiceMissing", 1)]

    world.tell(ours=(WEB,))
    world.run(1)
    assert world.server.reasons == [("ServiceMissing", 1), ("Synced", 1)]
    world.end()


def test_a_restart_goes_on_with_series_and_repeats_no_synced(world: World) -> None:
    other = attrs.evolve(WEB, metadata=attrs.evolve(WEB.metadata, name="other", uid="u2"))
    for _ in range(3):
        world.tell("no_endpoints", ours=(WEB, other))
        world.run(1)
        world.end()
        world = World(world.server)
    assert world.server.reasons == [("NoEndpoints", 2), ("Synced", 1), ("Synced", 1)]
    world.end()


def test_who_is_not_the_leader_tells_nothing_until_it_is(world: World) -> None:
    world.is_leader = False
    world.tell("no_endpoints", ours=(WEB,))
    world.run(HANDOVER_SECONDS + 1)
    assert world.server.asked == []

    world.is_leader = True
    world.run(5)
    # The leader before us has told of Synced; a fault that stands is told by each.
    assert world.server.reasons == [("NoEndpoints", 1)]
    world.end()


def test_without_the_right_it_tries_again_later(world: World) -> None:
    world.server.refusal = (403, "no")
    world.tell("no_endpoints")
    world.run(FORBIDDEN_SECONDS / 2)
    assert len(world.server.asked) == 1

    world.server.refusal = None
    world.run(FORBIDDEN_SECONDS)
    assert world.server.reasons == [("NoEndpoints", 1)]
    world.end()


def test_an_outage_delays_and_loses_nothing(world: World) -> None:
    world.network.is_down = True
    world.tell("no_endpoints", "claim_repeated")
    world.run(60)
    world.network.is_down = False
    world.run(60)
    assert world.server.reasons == [("ClaimRepeated", 1), ("NoEndpoints", 1)]
    world.end()


def test_what_is_refused_for_good_holds_up_nothing(world: World) -> None:
    for code, message in [(422, "no"), (404, "no namespace"), (403, "it is being terminated")]:
        world.server.refusal = (code, message)
        world.tell("no_endpoints")
        world.run(1)
        world.server.refusal = None
        world.tell("claim_repeated")
        world.run(1)
        assert [reason for reason, _ in world.server.reasons] == ["ClaimRepeated"]
    assert world.count('events_dropped_total{reason="refused"}') == 3
    world.end()


def test_many_objects_are_told_at_a_limited_pace(world: World) -> None:
    metadata = WEB.metadata
    many = tuple(
        attrs.evolve(WEB, metadata=attrs.evolve(metadata, name=f"i{n}", uid=str(n)))
        for n in range(TOTAL_BURST + 30)
    )
    world.tell(ours=many)
    world.run(1)
    assert TOTAL_BURST <= len(world.server.asked) < TOTAL_BURST + 20
    world.run(10)
    assert len(world.server.asked) == TOTAL_BURST + 30
    world.end()
