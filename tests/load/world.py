"""The applications with their history, their pods and their files: what may be answered now."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterator

import attrs

from tests.load.applications import (
    KEY_KINDS,
    Application,
    Promise,
    common,
    marker,
    to_text,
)
from tests.load.doors import SETTLE_SECONDS, Door, Unsettled
from tests.load.folders import Folder
from tests.load.pods import Pod
from tests.strategies.certificates import make_key


@attrs.frozen
class Window:
    """The states of an application that may answer a request: those from *since* on."""

    history: History
    since: int

    def promises(self, host: str, path: str) -> list[Promise]:
        """Return what the states up to now promise."""
        return [each.promise(host, path) for each in self.history.states[self.since :]]


@attrs.define
class History:
    """
    All states that an application ever had.

    ``settled`` is the last one that is known to be served; it, and every later one, may answer.
    """

    states: list[Application]
    settled: int = 0
    in_flight: set[asyncio.Future[None]] = attrs.Factory(set)

    @property
    def latest(self) -> Application:
        return self.states[-1]

    @contextlib.contextmanager
    def asking(self) -> Iterator[Window]:
        """Note that a request is under way."""
        done = asyncio.get_running_loop().create_future()
        self.in_flight.add(done)
        try:
            yield Window(self, self.settled)
        finally:
            self.in_flight.discard(done)
            done.set_result(None)

    async def wait_earlier(self) -> None:
        """Wait until the requests that are under way now have ended."""
        if self.in_flight:
            await asyncio.wait(tuple(self.in_flight))


class World:
    """
    Everything outside the program.

    Pods have addresses of their own in 127.0.0.0/8 and one port in common. ``doors`` lead to every
    worker: a change has settled when all of them serve it. ``apart_seconds`` is, for each change,
    how long the last worker has come after the first one, as seen from outside.
    """

    def __init__(self, folders: dict[str, Folder], applications: list[Application]) -> None:
        self.histories = {each.name: History([each]) for each in applications}
        self.pods: dict[str, Pod] = {}
        self._every_pod: list[Pod] = []
        self.addresses: dict[str, tuple[str, int]] = {}
        self.settle_seconds: list[float] = []
        self.apart_seconds: list[float] = []
        self.http = 0
        self.doors: tuple[Door, ...] = ()
        self._folders = folders
        self._texts: dict[str, str] = {}
        self._generations: Counter[str] = Counter()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self._port: int = sock.getsockname()[1]

    async def begin(self) -> None:
        """Start the pods and write the first manifests."""
        await self.start_pods(frozenset({"marker"}))
        for history in self.histories.values():
            await self.start_pods(history.latest.pods)
        self.write_all()

    def write_all(self) -> None:
        """Write the first manifests; every pod must have its address."""
        for kind in KEY_KINDS:
            make_key(kind)  # takes long enough to show in the latencies if it came later
        next(iter(self._folders.values())).write("common", to_text(common(self.addresses)))
        for history in self.histories.values():
            self._write(history.latest)

    async def start_pods(self, names: frozenset[str]) -> None:
        """Start those pods that do not run."""
        for name in sorted(names - self.pods.keys()):
            number = len(self.addresses) + 1
            address = f"127.77.{number >> 8}.{number & 255}"
            self.addresses.setdefault(name, (address, self._port))
            self.pods[name] = pod = Pod(name, *self.addresses[name])
            self._every_pod.append(pod)
            await pod.start()

    async def change(self, *news: Application) -> None:
        """
        Give an application new states, one right after the other, until the last is served.

        Pods that they name are started before; pods that the last no longer names are stopped
        after the requests that may still reach them.

        Args:
            news: When there are several, they differ in one and the same file.

        Raises:
            Unsettled: The program does not take the change, or still uses a pod that is gone.
        """
        loop = asyncio.get_running_loop()
        history = self.histories[news[0].name]
        befores = frozenset[str]().union(*(each.pods for each in (history.latest, *news)))
        await self.start_pods(befores)
        files: dict[str, int | None] = {}
        for new in news:
            history.states.append(new)
            files |= self._write(new)
            await asyncio.sleep(0)
        begun = loop.time()
        self.apart_seconds.append(await self._settle(files))
        self.settle_seconds.append(loop.time() - begun)
        history.settled = len(history.states) - 1
        await history.wait_earlier()
        for name in sorted(befores - history.latest.pods):
            await self._stop_pod(name)

    async def _stop_pod(self, name: str) -> None:
        pod = self.pods.pop(name)
        asked = pod.asked
        try:
            await asyncio.wait_for(pod.wait_left(), SETTLE_SECONDS)
        except TimeoutError:
            raise Unsettled(f"connections to {name} stay open though it has gone") from None
        if pod.asked != asked:
            raise Unsettled(f"{name} was asked {pod.asked - asked} times after it had gone")
        pod.stop()

    def break_file(self, name: str) -> str:
        """Write what is no YAML into the file of an application's Ingress; return its name."""
        file = f"{name}-ingress"
        self._texts[file] = ""
        self._folder(name).write(file, "items: [{\n  kind: Ingress\n")
        return file

    async def mend(self, name: str) -> None:
        """Write the latest state again where it was broken."""
        await self._settle(self._write(self.histories[name].latest))

    def _folder(self, application: str) -> Folder:
        names = sorted(self.histories)
        folders = list(self._folders.values())
        return folders[names.index(application) % len(folders)]

    def _write(self, application: Application) -> dict[str, int | None]:
        """Write what is new; return the generation of each such file, None where it is gone."""
        folder = self._folder(application.name)
        files = application.files(self.addresses)
        changed: dict[str, int | None] = {}
        for part, documents in files.items():
            file = f"{application.name}-{part}"
            text = to_text(documents)
            if self._texts.get(file) != text:
                self._texts[file] = text
                self._generations[file] += 1
                changed[file] = generation = self._generations[file]
                folder.write(file, to_text([*documents, marker(file, generation)]))
        for part in ("extra", "guest"):
            file = f"{application.name}-{part}"
            if part not in files and self._texts.pop(file, None) is not None:
                changed[file] = None
                folder.remove(file)
        return changed

    async def _settle(self, files: dict[str, int | None]) -> float:
        """Wait until every worker serves what was written; return how far they were apart."""
        seen = await asyncio.gather(*(door.wait_markers(files) for door in self.doors))
        return max(seen) - min(seen)

    def end_downloads(self) -> None:
        """Let downloads without an end of their own end; also from pods that have gone."""
        for pod in self._every_pod:
            pod.enough.set()

    async def stop(self) -> None:
        """Close the doors, end all pods, and wait until nobody is connected to any."""
        for door in self.doors:
            await door.close()
        for pod in self.pods.values():
            pod.stop()
        async with asyncio.timeout(SETTLE_SECONDS):
            for pod in self._every_pod:
                await pod.wait_left(but_long=False)
