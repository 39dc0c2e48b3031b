"""Clients that never stop asking, each in its own way, and check every answer."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from time import perf_counter

import attrs

from tests.load.applications import certificate
from tests.load.connection import Answer, Broken, Connection, chunked_request, request
from tests.load.world import History, Window, World

_PAUSE_SECONDS = 0.004
_FAULTS_KEPT = 30


@attrs.define
class Ledger:
    """What all clients have met: ``calm`` and ``changing`` are latencies in seconds."""

    requests: Counter[str] = attrs.Factory(Counter)
    failed: int = 0
    faults: list[str] = attrs.Factory(list)
    calm: list[float] = attrs.Factory(list)
    changing: list[float] = attrs.Factory(list)
    pods: set[str] = attrs.Factory(set)
    is_changing: bool = False
    is_over: bool = False

    def note(self, kind: str, seconds: float) -> None:
        """Count a good answer."""
        self.requests[kind] += 1
        (self.changing if self.is_changing else self.calm).append(seconds)

    def fail(self, kind: str, error: BaseException) -> None:
        """Count a request that failed."""
        self.requests[kind] += 1
        self.failed += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(f"{kind}: {type(error).__name__}: {error}")


@attrs.frozen
class Question:
    """A request whose answer can be judged."""

    method: str
    host: str
    path: str
    query: str
    body: bytes = b""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}"

    def wire(self) -> bytes:
        """Write it, with Content-Length where there is a body."""
        return request(self.method, self.host, self.target, self.body or None)

    def judge(self, answer: Answer, window: Window) -> str:
        """
        Check an answer against all that may be served; return the pod's name.

        Raises:
            Broken: It is not what any state of the manifests that may count promises.
        """
        promises = window.promises(self.host, self.path)
        if answer.status == 404 and any(each.status == 404 for each in promises):
            return ""
        if answer.status != 200:
            raise Broken(f"{self} got {answer.status} {answer.body[:100]!r}, not {promises}")
        told = answer.told
        for each in promises:
            if each.status == 200 and told["pod"] in each.pods and told["path"] == each.path:
                break
        else:
            raise Broken(f"{self} was answered {told}, not {promises}")
        mine = (self.method, self.query, len(self.body), zlib.crc32(self.body))
        if (told["method"], told["query"], told["length"], told["crc"]) != mine:
            raise Broken(f"{self.method} {self.target} got somebody else's answer: {told}")
        return str(told["pod"])


class Client:
    """
    One client: its own connection, its own numbers, its own kind of request.

    Args:
        kind: The name of the method that asks; with ``tls`` in front, by TLS.
    """

    def __init__(self, kind: str, number: int, world: World, ledger: Ledger, https: int) -> None:
        self._kind = kind
        self.ask: Callable[[], Awaitable[None]] = getattr(self, kind.removeprefix("tls_"))
        self._is_tls = kind.startswith("tls_")
        self._draw = random.Random(number)
        self._number = number
        self._count = 0
        self._world = world
        self._ledger = ledger
        self._https = https
        self._name = ""
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Ask until it is over."""
        while not self._ledger.is_over:
            try:
                await self.ask()
            except (Broken, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self._ledger.fail(self._kind, error)
                await self.drop()
            await asyncio.sleep(_PAUSE_SECONDS * self._draw.random() * 2)
        await self.drop()

    async def drop(self) -> None:
        """Close the connection that is kept, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.wait_closed()

    async def _open(self, history: History) -> Connection:
        """Return the connection that is kept; by TLS, it belongs to one application."""
        if self._connection is None:
            self._connection = await self._connect(history)
        return self._connection

    async def _connect(self, history: History) -> Connection:
        if not self._is_tls:
            return await Connection.open(self._world.http)
        host = history.latest.host
        since = history.settled
        connection = await Connection.open(self._https, host)
        good = {certificate(host, each.certificate) for each in history.states[since:]}
        if connection.certificate not in {_der(pair.crt) for pair in good}:
            connection.close()
            raise Broken(f"{host} has shown another certificate than its own")
        return connection

    def _choose(self) -> History:
        """Choose an application; by TLS the same one for as long as the connection lasts."""
        if self._connection is None or not self._name or not self._is_tls:
            self._name = self._draw.choice(sorted(self._world.histories))
        return self._world.histories[self._name]

    def _question(self, history: History, method: str = "GET", body: bytes = b"") -> Question:
        self._count += 1
        latest = history.latest
        path = self._draw.choice(("/", "/hi", "/extra", "/extra/deep", "/a%2Fb"))
        # Our own 404 ends the connection of a request with a body: only a GET asks the guest.
        is_guest = method == "GET" and not self._is_tls and self._draw.random() < 0.2
        host = latest.guest_host if is_guest else latest.host
        return Question(method, host, path, f"n={self._number}.{self._count}", body)

    async def _exchange(self, history: History, question: Question, wire: bytes) -> None:
        connection = await self._open(history)
        with history.asking() as window:
            begun = perf_counter()
            answer = await connection.ask(wire, question.method)
            seconds = perf_counter() - begun
            self._ledger.pods.add(question.judge(answer, window))
        self._ledger.note(self._kind, seconds)

    def _body(self) -> bytes:
        size = self._draw.choice((1, 100, 5_000, 70_000, 200_000))
        return self._draw.randbytes(size)

    # The kinds

    async def get(self) -> None:
        """A GET on a connection that is kept."""
        history = self._choose()
        question = self._question(history)
        await self._exchange(history, question, question.wire())

    async def post(self) -> None:
        """A POST on a connection that is kept; each second one is chunked."""
        history = self._choose()
        question = self._question(history, "POST", self._body())
        wire = question.wire()
        if self._count % 2:
            half = len(question.body) // 2
            parts = [question.body[:half], question.body[half:]]
            wire = chunked_request("POST", question.host, question.target, parts)
        await self._exchange(history, question, wire)

    async def fresh_get(self) -> None:
        """A GET on a connection of its own."""
        await self.get()
        await self.drop()

    async def fresh_post(self) -> None:
        """A POST on a connection of its own."""
        await self.post()
        await self.drop()

    async def pipelined(self) -> None:
        """Three GETs sent at once, answered in order."""
        history = self._choose()
        questions = [self._question(history) for _ in range(3)]
        connection = await self._open(history)
        with history.asking() as window:
            begun = perf_counter()
            connection.send(b"".join(each.wire() for each in questions))
            for each in questions:
                self._ledger.pods.add(each.judge(await connection.answer(), window))
                self._ledger.note(self._kind, perf_counter() - begun)

    async def upload(self) -> None:
        """A POST whose body comes slowly, so that changes happen in its middle."""
        history = self._choose()
        question = self._question(history, "POST", self._body())
        wire = question.wire()
        connection = await self._open(history)
        with history.asking() as window:
            step = len(wire) // 4 + 1
            for at in range(0, len(wire), step):
                connection.send(wire[at : at + step])
                await asyncio.sleep(0.05)
            self._ledger.pods.add(question.judge(await connection.answer(), window))
        self._ledger.requests[self._kind] += 1

    async def late(self) -> None:
        """A GET that is answered late, so that its pod may die meanwhile."""
        history = self._choose()
        question = attrs.evolve(self._question(history), path="/late")
        await self._exchange(history, question, question.wire())

    async def slow(self) -> None:
        """A GET whose answer comes slowly."""
        history = self._choose()
        question = attrs.evolve(self._question(history), path="/slow")
        connection = await self._open(history)
        with history.asking() as window:
            answer = await connection.ask(question.wire())
            self._ledger.pods.add(question.judge(answer, window))
        self._ledger.requests[self._kind] += 1


def _der(crt: bytes) -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert(crt.decode())
