"""An endpoint that dies without a word, again and again, while another one is healthy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs

from tests.load.applications import Application
from tests.load.clients import Client, Ledger
from tests.load.folders import Renamed
from tests.load.world import World
from tests.wire.harness.program import Program, running

CLIENTS = ("get", "get", "late", "late", "fresh_get", "pipelined", "tls_get", "tls_late")
BALANCINGS = (
    ("round-robin", "false"),
    ("hashing", "false"),
    ("least-work", "false"),
    ("round-robin", "cookie"),
)
SECONDS = 30.0


@attrs.define
class PodProcess:
    """A pod in a process of its own."""

    name: str
    address: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it; it listens when this returns."""
        command = [
            sys.executable,
            "-m",
            "tests.load.pods",
            self.name,
            self.address,
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        assert line == b"listening\n"

    def kill(self) -> None:
        """Kill it, by SIGKILL; the kernel has closed its sockets when this returns."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@contextlib.contextmanager
def pod_processes(*names: str) -> Iterator[dict[str, PodProcess]]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    pods = {name: PodProcess(name, f"127.78.0.{at + 1}", port) for at, name in enumerate(names)}
    try:
        yield pods
    finally:
        for pod in pods.values():
            pod.kill()


def make_world(folder: Path, pods: dict[str, PodProcess]) -> World:
    names = tuple(pods)
    applications = [
        Application(f"app{at}", names, names, algorithm=algorithm, sticky=sticky)
        for at, (algorithm, sticky) in enumerate(BALANCINGS)
    ]
    world = World({"renamed": Renamed(folder)}, applications)
    world.addresses = {name: (pod.address, pod.port) for name, pod in pods.items()}
    world.addresses["marker"] = world.addresses[names[0]]
    world.write_all()
    return world


@contextlib.asynccontextmanager
async def loaded(
    world: World, program: Program, pods: dict[str, PodProcess]
) -> AsyncIterator[Load]:
    """Start pods and clients, and wait until every pod has answered; all of it ends behind."""
    world.http = program.http
    load = Load(Ledger(), Client("post", 99, world, Ledger(), program.https))
    for pod in pods.values():
        await pod.start()
    async with asyncio.TaskGroup() as group:
        for number, kind in enumerate(CLIENTS):
            client = Client(kind, number, world, load.ledger, program.https)
            group.create_task(client.run())
        try:
            await load.until_answered_by(set(pods))
            yield load
        finally:
            load.ledger.is_over = True
            await load.posting.drop()


@attrs.frozen
class Load:
    """The clients' ledger, and one more client that posts when it is told to."""

    ledger: Ledger
    posting: Client

    async def until_answered_by(self, names: set[str], requests: int = 150) -> None:
        """Wait for so many answers, and for one of each pod."""
        self.ledger.pods.clear()
        enough = self.ledger.requests.total() + requests
        async with asyncio.timeout(SECONDS):
            while self.ledger.requests.total() < enough or not names <= self.ledger.pods:
                await asyncio.sleep(0.01)

    async def post(self) -> None:
        """Post twenty times; what fails is raised."""
        for _ in range(20):
            await self.posting.ask()


@contextlib.contextmanager
def world_of(folder: Path, *names: str) -> Iterator[tuple[World, Program, dict[str, PodProcess]]]:
    with pod_processes(*names) as pods:
        world = make_world(folder / "manifests", pods)
        options = ("--plain-http-on-tls-hosts", "serve")
        with running(folder / "manifests", folder / "log", *options) as program:
            yield world, program, pods


async def kill_in_turn(world: World, program: Program, pods: dict[str, PodProcess]) -> Ledger:
    async with loaded(world, program, pods) as load:
        for pod in 2 * tuple(pods.values()):
            pod.kill()
            await load.post()
            await load.until_answered_by(set(pods) - {pod.name})
            # Perhaps it is still ejected when the other one dies, and must serve all the same.
            await pod.start()
    return load.ledger


def test_no_idempotent_request_fails_when_an_endpoint_is_killed(tmp_path: Path) -> None:
    """Nor does a POST that begins when the endpoint is dead already."""
    with world_of(tmp_path, "left", "right") as parts:
        ledger = asyncio.run(kill_in_turn(*parts))

    assert not ledger.failed, ledger.faults
    assert ledger.requests.keys() == set(CLIENTS)


async def kill_all_but_one(world: World, program: Program, pods: dict[str, PodProcess]) -> Ledger:
    first, *others = pods.values()
    async with loaded(world, program, pods) as load:
        for pod in others:
            pod.kill()
            await load.post()
            await load.until_answered_by({first.name})
        await load.until_answered_by({first.name}, requests=1500)
        assert load.ledger.pods <= {"", first.name}
    return load.ledger


def test_no_request_fails_while_most_endpoints_are_dead(tmp_path: Path) -> None:
    """However long it lasts: not all of them may be ejected, so many requests meet a dead one."""
    with world_of(tmp_path, "one", "two", "three") as parts:
        ledger = asyncio.run(kill_all_but_one(*parts))

    assert not ledger.failed, ledger.faults
