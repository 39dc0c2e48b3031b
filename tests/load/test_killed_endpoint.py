"""An endpoint that dies without a word, again and again, while another one is healthy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
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
REQUESTS = 150
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


async def until_answered_by(ledger: Ledger, names: set[str]) -> None:
    """Wait for many answers, and for one of each pod."""
    ledger.pods.clear()
    enough = ledger.requests.total() + REQUESTS
    async with asyncio.timeout(SECONDS):
        while ledger.requests.total() < enough or not names <= ledger.pods:
            await asyncio.sleep(0.01)


async def kill_in_turn(world: World, program: Program, pods: dict[str, PodProcess]) -> Ledger:
    world.http = program.http
    ledger = Ledger()
    for pod in pods.values():
        await pod.start()
    posting = Client("post", 99, world, ledger, program.https)
    async with asyncio.TaskGroup() as group:
        for number, kind in enumerate(CLIENTS):
            group.create_task(Client(kind, number, world, ledger, program.https).run())
        try:
            await until_answered_by(ledger, set(pods))
            for pod in (*pods.values(), *pods.values()):
                pod.kill()
                for _ in range(20):
                    await posting.ask()
                await until_answered_by(ledger, set(pods) - {pod.name})
                await pod.start()
                await until_answered_by(ledger, set(pods))
        finally:
            ledger.is_over = True
            await posting.drop()
    return ledger


def test_no_idempotent_request_fails_when_an_endpoint_is_killed(tmp_path: Path) -> None:
    """Nor does a POST that begins when the endpoint is dead already."""
    options = ("--plain-http-on-tls-hosts", "serve")
    with pod_processes("left", "right") as pods:
        world = make_world(tmp_path / "manifests", pods)
        with running(tmp_path / "manifests", tmp_path / "log", *options) as program:
            ledger = asyncio.run(kill_in_turn(world, program, pods))

    assert not ledger.failed, ledger.faults
    assert ledger.requests.keys() == {*CLIENTS, "post"}
