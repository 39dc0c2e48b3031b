"""One run: the program, its world, its clients and its changes, from calm to the report."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path

import attrs

from tests.load import changes
from tests.load.applications import Application
from tests.load.changes import Change
from tests.load.clients import Client, Ledger
from tests.load.connection import Connection
from tests.load.doors import open_doors, workers_of
from tests.load.folders import Folder, InPlace, Mounted, Renamed
from tests.load.long_lived import Downloaded, WebSocket, download
from tests.load.world import World
from tests.wire.harness.program import Program, running

APPLICATIONS = 6
CLIENTS = (
    *("get", "get", "post", "fresh_get", "fresh_post", "pipelined", "upload", "slow"),
    *("tls_get", "tls_get", "tls_post", "tls_fresh_get", "tls_pipelined", "tls_slow"),
)
LONGEST_APART = "fsm_ingress_workers_apart_longest_seconds"
_BROKEN_SECONDS = 10.0


@attrs.frozen
class Plan:
    """
    How much of everything.

    ``calm_requests`` is how many requests are answered before the first change; the download
    lasts ``download_seconds`` and all changes. With ``workers`` 0 the program is one process.
    """

    changes: int
    download_seconds: float
    calm_requests: int
    seed: int = 1
    workers: int = 0


@attrs.define
class Report:
    """
    What came of it; ``faults`` is empty when all is well.

    ``apart_seconds`` is how long the last worker has come after the first one, as clients see it;
    ``longest_apart_seconds`` is how long at most workers were more than one configuration apart,
    by their own clock, as the program's metrics tell.
    """

    ledger: Ledger
    changes: Counter[str] = attrs.Factory(Counter)
    settle_seconds: list[float] = attrs.Factory(list)
    apart_seconds: list[float] = attrs.Factory(list)
    longest_apart_seconds: float = 0.0
    change_seconds: float = 0.0
    beats: list[int] = attrs.Factory(list)
    downloads: list[Downloaded] = attrs.Factory(list)
    faults: list[str] = attrs.Factory(list)

    @property
    def is_good(self) -> bool:
        return not (self.faults or self.ledger.failed)


class Run:
    """The parts of a run while it lasts."""

    def __init__(self, plan: Plan, world: World, program: Program) -> None:
        self._plan = plan
        self._world = world
        self._program = program
        self._draw = random.Random(plan.seed)
        self._sockets: list[WebSocket] = []
        self.ledger = Ledger()
        self.report = Report(
            self.ledger, settle_seconds=world.settle_seconds, apart_seconds=world.apart_seconds
        )

    async def run(self) -> Report:
        """Load, wait for calm figures, change, and let everything end."""
        workers = workers_of(self._program)
        assert len(workers) == self._plan.workers, f"workers {workers}"
        self._world.doors = await open_doors(self._program)
        async with asyncio.TaskGroup() as group:
            for number, kind in enumerate(CLIENTS):
                client = Client(kind, number, self._world, self.ledger, self._program.https)
                group.create_task(client.run())
            downloads = [group.create_task(each) for each in self._downloads()]
            try:
                await self._open_sockets()
                while self.ledger.requests.total() < self._plan.calm_requests:
                    await asyncio.sleep(0.01)
                await self._change_all()
                if workers:
                    self.report.longest_apart_seconds = await self._longest_apart()
            finally:
                self._world.end_downloads()
                await asyncio.gather(*downloads)
                await self._beat()
                self.ledger.is_over = True
        for each in self._sockets:
            await each.close()
        self.report.beats = [each.beats for each in self._sockets]
        if workers != (now := workers_of(self._program)):
            self.report.faults.append(f"workers were {workers}, are {now}")
        return self.report

    async def _connect(self, host: str, number: int) -> Connection:
        """Connect; each second one by TLS."""
        if number % 2:
            return await Connection.open(self._program.https, host)
        return await Connection.open(self._program.http)

    async def _longest_apart(self) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._program.admin)
        writer.write(b"GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        return float(text.partition(f"\n{LONGEST_APART} ")[2].partition("\n")[0])

    # What lasts

    async def _open_sockets(self) -> None:
        """Open a WebSocket to every application."""
        for number, history in enumerate(self._world.histories.values()):
            host = history.latest.host
            connection = await self._connect(host, number)
            self._sockets.append(await WebSocket.open(connection, host))

    def _downloads(self) -> Iterator[Coroutine[object, None, None]]:
        hosts = [history.latest.host for history in self._world.histories.values()]
        for number, framing in enumerate(("sized", "sized", "chunked", "chunked")):
            yield self._download(hosts[number], framing, number)

    async def _download(self, host: str, framing: str, number: int) -> None:
        seconds = self._plan.download_seconds
        try:
            connection = await self._connect(host, number)
            self.report.downloads.append(await download(connection, host, seconds, framing))
            await connection.wait_closed()
        except (AssertionError, OSError) as error:
            self.report.faults.append(f"{framing} download from {host}: {error!r}")

    async def _beat(self) -> None:
        for each in tuple(self._sockets):
            try:
                await each.beat()
            except AssertionError as error:
                self.report.faults.append(f"WebSocket to {each.pod}: {error}")
                self._sockets.remove(each)

    # What changes

    async def _change_all(self) -> None:
        """Change one application, or several at once; hear every WebSocket after each."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self.ledger.is_changing = True
        kinds = changes.endless(self._draw)
        names = sorted(self._world.histories)
        while (left := self._plan.changes - self.report.changes.total()) > 0:
            together = min(left, self._draw.choice((1, 1, 2, 3)))
            chosen = self._draw.sample(names, together)
            try:
                await asyncio.gather(*(self._change(name, next(kinds)) for name in chosen))
            except (AssertionError, OSError) as error:
                self.report.faults.append(f"after {self.report.changes.total()} changes: {error}")
                break
            await self._beat()
        self.ledger.is_changing = False
        self.report.change_seconds = loop.time() - begun

    async def _change(self, name: str, kind: Change) -> None:
        told = kind.__name__.replace("_", " ")
        if kind is changes.file_broken:
            await self._break_file(name)
            self.report.changes[told] += 1
            return
        made = kind(self._world.histories[name].latest, self._draw)
        news = made if isinstance(made, tuple) else (made,)
        await self._world.change(*news)
        self.report.changes[told] += len(news)

    async def _break_file(self, name: str) -> None:
        """Break a file, wait until the program says so, and mend it."""
        before = len(self._program.log)
        file = self._world.break_file(name)
        async with asyncio.timeout(_BROKEN_SECONDS):
            while file not in self._program.log[before:]:
                await asyncio.sleep(0.02)
        await self._world.mend(name)


async def _run(plan: Plan, world: World, program: Program) -> Report:
    try:
        return await Run(plan, world, program).run()
    finally:
        await world.stop()


def carry_out(plan: Plan, folder: Path) -> Report:
    """
    Start the program on manifests in *folder*, and carry out the plan.

    Raises:
        AssertionError: The program does not start, does not end well, or logs a fault.
    """
    folders: dict[str, Folder] = {
        each.__name__: each(folder / each.__name__.lower()) for each in (Renamed, InPlace, Mounted)
    }
    names = [f"app{number}" for number in range(APPLICATIONS)]
    world = World(
        folders,
        [Application(name, (f"{name}-x", f"{name}-y"), (f"{name}-z",)) for name in names],
    )
    extra = [argument for each in folders.values() for argument in ("--manifests", str(each.path))]
    with asyncio.Runner() as runner:
        runner.run(world.begin())
        options = (
            *extra[2:],
            *("--plain-http-on-tls-hosts", "serve"),
            *("--workers", str(plan.workers)),
        )
        with running(next(iter(folders.values())).path, folder / "log", *options) as program:
            world.http = program.http
            return runner.run(_run(plan, world, program))
