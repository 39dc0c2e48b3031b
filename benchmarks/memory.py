"""How much memory one kind of load costs the ingress: each function takes a fresh process."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from benchmarks import measure, talk
from benchmarks.ingress import HOST, Running
from benchmarks.measure import BenchmarkError

MIB = 1024
SLOW_BODY_BYTES = 8 * 1024 * 1024
SLOW_RECEIVE_BYTES = 16 * 1024
AT_ONCE = 50
CLIENTS = 16
WARM_REQUESTS = 500


@frozen
class Figure:
    """One measured value beside the promise it has to keep."""

    what: str
    measured: str
    value: float
    limit: float | None
    unit: str

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        promise = "-" if self.limit is None else f"< {self.limit:g} {self.unit}"
        kept = "-" if self.limit is None else ("yes" if self.is_kept else "NO")
        return (self.what, self.measured, f"{self.value:.1f} {self.unit}", promise, kept)

    @property
    def is_kept(self) -> bool:
        """Whether the promise holds; without one it does."""
        return self.limit is None or self.value < self.limit


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in KiB."""
    total = 0
    for each in measure.family(pid, measure.parents()):
        for line in Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


def proportional_kib(pid: int) -> int:
    """Return the same with each shared page counted once, as fits processes that are forked."""
    total = 0
    for each in measure.family(pid, measure.parents()):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


async def settled_kib(pid: int, seconds: float = 15.0) -> int:
    """Return the resident memory once it has stood still for half a second, or after *seconds*."""
    deadline = time.monotonic() + seconds
    last, since = resident_kib(pid), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 0.5:
        await asyncio.sleep(0.1)
        now = resident_kib(pid)
        if abs(now - last) > 64:
            last, since = now, time.monotonic()
    return resident_kib(pid)


async def warmed_kib(running: Running) -> int:
    """Return the resident memory of a process that has everything imported and in use once."""
    await ask_many(running.ports.http, WARM_REQUESTS)
    return await settled_kib(running.process.pid)


# Idle connections


async def _open_plain(port: int, asked: talk.Request | None) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.settimeout(0)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    if asked is not None:
        await loop.sock_sendall(sock, asked.raw)
        received = b""
        while len(received) < 200 or not received.endswith(b"x" * 200):
            piece = await loop.sock_recv(sock, 4096)
            if not piece:
                msg = "an idle connection was closed while it was opened"
                raise BenchmarkError(msg)
            received += piece
    return sock


def refuse_ended(opened: list[socket.socket]) -> None:
    """
    Make sure that these connections are there and silent.

    Raises:
        BenchmarkError: The ingress has closed some, or has said something.
    """
    poll = select.poll()
    for sock in opened:
        poll.register(sock, select.POLLIN)
    ended = len(poll.poll(0))
    if ended:
        msg = f"{ended} of {len(opened)} idle connections did not stay"
        raise BenchmarkError(msg)


def refuse_waiting(pid: int, count: int) -> None:
    """
    Make sure that the ingress holds the connections, not the kernel in its queue.

    Raises:
        BenchmarkError: It has fewer descriptors open.
    """
    held = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    if held < count:
        msg = f"the ingress holds {held} descriptors, not {count} connections"
        raise BenchmarkError(msg)


async def _open_tls(port: int) -> asyncio.StreamWriter:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    return writer


async def idle(running: Running, count: int, *, after_request: bool) -> Figure:
    """Open *count* plain connections, silent from the start or after one request each."""
    asked = talk.request(HOST, "GET", "/small") if after_request else None
    before = await warmed_kib(running)
    opened: list[socket.socket] = []
    try:
        for start in range(0, count, AT_ONCE):
            batch = (
                _open_plain(running.ports.http, asked)
                for _ in range(start, min(count, start + AT_ONCE))
            )
            opened += await asyncio.gather(*batch)
        each = (await settled_kib(running.process.pid) - before) / count
        refuse_ended(opened)
        refuse_waiting(running.process.pid, count)
    finally:
        for sock in opened:
            sock.close()
    what = "idle after a request" if after_request else "idle from the start"
    return Figure(what, f"{count:,} connections", each, 40.0, "KiB each")


async def idle_tls(running: Running, count: int) -> Figure:
    """Open *count* TLS connections and leave them silent."""
    before = await warmed_kib(running)
    opened = []
    for start in range(0, count, AT_ONCE):
        batch = (_open_tls(running.ports.https) for _ in range(start, min(count, start + AT_ONCE)))
        opened += await asyncio.gather(*batch)
    each = (await settled_kib(running.process.pid) - before) / count
    for writer in opened:
        writer.transport.abort()
    return Figure("idle with TLS", f"{count:,} connections", each, None, "KiB each")


# Clients that do not read


async def slow_readers(running: Running, count: int) -> Figure:
    """Let *count* clients ask for 8 MiB each and read nothing of it."""
    before = await warmed_kib(running)
    loop = asyncio.get_running_loop()
    asked = talk.request(HOST, "GET", f"/bytes/{SLOW_BODY_BYTES}")
    opened = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BYTES)
        sock.settimeout(0)
        await loop.sock_connect(sock, ("127.0.0.1", running.ports.http))
        await loop.sock_sendall(sock, asked.raw)
        opened.append(sock)
    growth = (await settled_kib(running.process.pid) - before) / MIB
    begun = sum(sock.recv(1, socket.MSG_PEEK) == b"H" for sock in opened)
    for sock in opened:
        sock.close()
    if begun != count:
        msg = f"only {begun} of {count} answers have begun"
        raise BenchmarkError(msg)
    limit = 96.0 * count / 30
    return Figure(
        "clients that do not read 8 MiB", f"{count} clients", growth, limit, "MiB growth"
    )


# Many requests


def mix() -> tuple[tuple[talk.Request, int | None], ...]:
    """Return the requests of the soak with the status each has to get; None: any, or an end."""
    chunked = talk.Request(
        f"POST /small HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"800\r\n" + b"c" * 0x800 + b"\r\n" + b"0\r\n\r\n",
        "POST",
    )  # fmt: skip
    get = talk.request(HOST, "GET", "/small")
    cookie = "Cookie: session=4f2a; theme=dark\r\nAccept: */*\r\nUser-Agent: soak\r\n"
    return (
        (get, 200),
        (talk.request(HOST, "GET", "/small", fields=cookie), 200),
        (talk.request(HOST, "GET", "/chunked/3"), 200),
        (talk.request(HOST, "POST", "/small", b"b" * 1024), 200),
        (get, 200),
        (talk.request(HOST, "HEAD", "/small"), 200),
        (chunked, 200),
        (talk.request("nobody.example.com", "GET", "/small"), 404),
        (talk.request(HOST, "GET", "/bytes/65536"), 200),
        (get, 200),
        (talk.request(HOST, "GET", "/small", fields="Connection: close\r\n"), 200),
        (talk.Request(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400),
        (
            talk.Request(
                f"POST /small HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nha".encode()
            ),
            None,
        ),
    )


async def _client(port: int, numbers: Iterator[int]) -> None:
    talker = talk.Talker(port)
    try:
        await _ask_all(talker, numbers)
    finally:
        talker.close()


async def _ask_all(talker: talk.Talker, numbers: Iterator[int]) -> None:
    requests = mix()
    for number in numbers:
        asked, status = requests[number % len(requests)]
        if status is None:  # leaves in the middle of its body
            await talker.abandon(asked)
            continue
        answer = await talker.ask(asked, seconds=60)
        if answer.status != status:
            msg = f"{asked.raw[:60]!r} got {answer.status} instead of {status}"
            raise BenchmarkError(msg)


async def ask_many(port: int, count: int) -> None:
    """Send *count* mixed requests over a few connections, judging every answer."""
    numbers = iter(range(count))
    await asyncio.gather(*(_client(port, numbers) for _ in range(CLIENTS)))


async def mixed(running: Running, warm: int, count: int) -> Figure:
    """Send *warm* requests, then *count* more, and compare memory."""
    await ask_many(running.ports.http, warm)
    before = await settled_kib(running.process.pid)
    await ask_many(running.ports.http, count)
    growth = (await settled_kib(running.process.pid) - before) / MIB
    return Figure(
        "mixed requests, after warm-up", f"{count:,} requests", growth, 12.0, "MiB growth"
    )
