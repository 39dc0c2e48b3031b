"""Clients inside the network namespace that never stop asking, and remember what failed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

import attrs

from tests.cluster.inside import PodProgram
from tests.load.connection import Answer, Broken, Connection, request

# The echo of the pods takes most of a core with less.
_PAUSE_SECONDS = 0.02
_JOIN_SECONDS = 60.0
_FAULTS_KEPT = 20
_BODY = b"x" * 5000

# GET and POST, each on connections that stay and on a new one each time.
CLIENTS = ("get", "get", "get", "post", "post", "fresh_get", "fresh_post")


@attrs.define
class Load:
    """What the clients have met; ``pods`` are those that have answered, and when last."""

    host: str
    port: int
    requests: Counter[str] = attrs.Factory(Counter)
    faults: list[str] = attrs.Factory(list)
    failed: int = 0
    pods: dict[str, float] = attrs.Factory(dict)
    _is_over: bool = False

    @property
    def total(self) -> int:
        return sum(self.requests.values())

    def served_since(self, moment: float) -> set[str]:
        """Return the pods that have answered since *moment* (monotonic seconds)."""
        return {pod for pod, last in self.pods.items() if last >= moment}

    def end(self) -> None:
        self._is_over = True

    async def run(self) -> None:
        """Ask until `end`."""
        async with asyncio.TaskGroup() as group:
            for kind in CLIENTS:
                group.create_task(self._client(kind))

    async def _client(self, kind: str) -> None:
        method = "POST" if kind.endswith("post") else "GET"
        wire = request(method, self.host, f"/{kind}", _BODY if method == "POST" else None)
        connection: Connection | None = None
        while not self._is_over:
            self.requests[kind] += 1
            try:
                if connection is None:
                    connection = await Connection.open(self.port)
                self._judge(await connection.ask(wire))
            except (Broken, OSError, TimeoutError, ValueError) as problem:
                self._failed(f"{kind}: {type(problem).__name__}: {problem}")
                await self._close(connection)
                connection = None
            if kind.startswith("fresh"):
                await self._close(connection)
                connection = None
            await asyncio.sleep(_PAUSE_SECONDS)
        await self._close(connection)

    def _judge(self, answer: Answer) -> None:
        if answer.status != 200:
            raise Broken(f"{answer.status} {answer.body[:100]!r}")
        self.pods[answer.told["pod"]] = time.monotonic()

    def _failed(self, what: str) -> None:
        self.failed += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(f"{time.strftime('%H:%M:%S')} {what}")

    @staticmethod
    async def _close(connection: Connection | None) -> None:
        if connection is not None:
            await connection.wait_closed()


@contextlib.contextmanager
def load_on(program: PodProgram, host: str) -> Iterator[Load]:
    """Have clients ask the plain HTTP port of *program*, on loopback, meanwhile."""
    load = Load(host, program.port("http"))
    broken: list[BaseException] = []

    def run() -> None:
        with _kept(broken):
            asyncio.run(load.run())

    with program.network:
        thread = threading.Thread(target=run)
        thread.start()
    try:
        yield load
    finally:
        load.end()
        thread.join(_JOIN_SECONDS)
    assert not thread.is_alive(), "a client does not end"
    assert not broken, broken


@contextlib.contextmanager
def _kept(broken: list[BaseException]) -> Iterator[None]:
    try:
        yield
    except BaseException as problem:  # noqa: BLE001  it would be lost with the thread
        broken.append(problem)
