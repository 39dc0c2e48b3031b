"""The clients that people use, as many as this machine has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks import real_clients


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_clients.World]:
    with real_clients.running(tmp_path_factory.mktemp("clients")) as world:
        yield world


@pytest.mark.parametrize("client", real_clients.CLIENTS)
def test_what_a_real_client_does_comes_out_right(client: str, world: real_clients.World) -> None:
    if shutil.which(client) is None:
        pytest.skip(f"{client} is not installed (Debian: {real_clients.PACKAGES[client]})")
    outcomes = list(real_clients.CLIENTS[client](world))
    assert outcomes
    assert [each for each in outcomes if each.fault] == []
