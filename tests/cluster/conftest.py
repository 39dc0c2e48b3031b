"""Real control planes for the tests of this folder that ask for one; each is started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, missing_binaries
from tests.cluster.pods import PodCluster, missing_parts

OUTAGES = "test_outages"


@pytest.fixture(scope="package")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a cluster of our own; skip where there are no binaries."""
    if reason := missing_binaries():
        pytest.skip(reason)
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def pod_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodCluster]:
    """Return a cluster of our own with pods; skip where a part of it is missing."""
    if reason := missing_parts():
        pytest.skip(reason)
    cluster = PodCluster(tmp_path_factory.mktemp("pod-cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Keep outages for the end of the room.

    For a minute after one, the controllers of the cluster with pods make pauses.
    """
    room = Path(__file__).parent
    places = [at for at, item in enumerate(items) if item.path.parent == room]
    ordered = sorted((items[at] for at in places), key=lambda item: item.path.stem == OUTAGES)
    for at, item in zip(places, ordered, strict=True):
        items[at] = item
