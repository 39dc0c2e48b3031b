"""The road of one worker among others."""

from __future__ import annotations

from twisted.internet.task import Clock

from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.workers.road import DataRoad


def test_who_begins_to_accept_says_so_at_once() -> None:
    said: list[int] = []

    def is_ahead(connections: int) -> bool:
        said.append(connections)
        return False

    road = DataRoad(Clock(), ProxyOptions(), (), None, is_ahead, 1)
    assert said == []
    road.publish(Snapshot(1))

    assert said == [0]
