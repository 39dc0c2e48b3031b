"""Programs and lanes for the tests on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wire.harness.client import Client, all_closed, connect
from tests.wire.harness.lanes import Lane, World, build_world
from tests.wire.harness.program import Program, running

HASTY = (
    *("--header-timeout", "1", "--idle-timeout", "1", "--connect-timeout", "1"),
    *("--upstream-timeout", "1", "--body-timeout", "1", "--tunnel-timeout", "1"),
    *("--plain-http-on-tls-hosts", "forbid"),
)
TRUSTING = (
    *("--trusted-proxies", "127.0.0.1", "--plain-http-on-tls-hosts", "serve"),
    *("--body-limit", "1000"),
)


@pytest.fixture(scope="session")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = build_world(tmp_path_factory.mktemp("manifests"))
    yield world
    for lane in world.everything:
        for backend in lane.backends:
            backend.stop()
            backend.close()


@pytest.fixture(autouse=True)
def connections() -> Iterator[None]:
    """Close what a test that fails leaves open: else its warning is the fault of another test."""
    with all_closed():
        yield


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture
def world(whole_world: World) -> Iterator[World]:
    """Give lanes to one test; its scripts' faults are the test's."""
    yield whole_world
    faults = whole_world.clear()
    assert not faults, faults


@pytest.fixture
def lane(world: World) -> Lane:
    return world.single()


@pytest.fixture(scope="session")
def steady(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program with its default times."""
    with running(whole_world.folder, logs / "steady") as program:
        yield program


@pytest.fixture(scope="session")
def hasty(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program with times of a second, which forbids plain HTTP on TLS hosts."""
    with running(whole_world.folder, logs / "hasty", *HASTY) as program:
        yield program


@pytest.fixture(scope="session")
def trusting(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program that believes its clients, serves TLS hosts in plain and limits bodies."""
    with running(whole_world.folder, logs / "trusting", *TRUSTING) as program:
        yield program


@pytest.fixture
def dial(steady: Program) -> Iterator[Callable[[], Client]]:
    """Open connections to the steady program, closed after the test."""
    clients: list[Client] = []

    def run() -> Client:
        clients.append(connect(steady.http))
        return clients[-1]

    yield run
    for client in clients:
        client.close()


@pytest.fixture
def client(dial: Callable[[], Client]) -> Client:
    return dial()
