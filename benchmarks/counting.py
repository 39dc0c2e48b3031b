"""
What counting and writing down one request costs, apart from everything else.

    .venv/bin/python benchmarks/counting.py

The best of many turns, in microseconds a request. What it is from end to end, caches included,
tells ``benchmarks/http.py`` with ``--uncounted`` and ``--option '--access-log /dev/null'``.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path, and http.py hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from fsm_twisted.observe.access import pack_peer, pack_route
from fsm_twisted.observe.access_format import tells_bodies
from fsm_twisted.observe.access_lines import make_lines
from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.proxy.record import Recorder

REQUESTS = 96
TURNS = 300
HEAD = (
    b"GET /shop/items/%d?page=2&sort=price HTTP/1.1\r\nHost: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/120.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"
    b"X-Real-IP: 127.0.0.1\r\nX-Request-ID: 0123456789abcdef%016x\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + b"x" * 200


def best(call: Callable[[], object]) -> float:
    """Return the least time that *call* takes, in microseconds for each of `REQUESTS`."""
    least = float("inf")
    for _ in range(TURNS):
        begun = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - begun)
    return least / REQUESTS * 1e6


def exchange(number: int) -> Any:
    """Return what the recorder reads of an exchange that has ended."""
    route = pack_route("default", "bench", "/", "bench", 80)
    return SimpleNamespace(
        bound=SimpleNamespace(is_logged=True, made_note=route),
        begun=5.0,
        sent=5.0001,
        head=None,
        head_bytes=HEAD % (number, number),
        method=b"GET",
        minor=1,
        bytes_in=600,
        downstream=SimpleNamespace(note=pack_peer(b"127.0.0.1", b"", b"")),
    )


def main() -> None:
    """Measure and print."""
    cells = UpstreamCells()
    batches: list[bytes] = []

    def take(batch: bytes) -> bool:
        batches.append(batch)
        return True

    told = tells_bodies("json")
    recorder = Recorder(time.monotonic, time.time, take, lambda *_: None, tells_bodies=told)
    tries = (1, b"127.0.0.1:8080")
    ended = [exchange(number) for number in range(REQUESTS)]

    def count() -> None:
        for _ in range(REQUESTS):
            cells.observe(b"GET", 2, 0.0012, 0.0011)

    def record() -> None:
        batches.clear()
        for each in ended:
            recorder.usual(each, tries, ANSWER, len(ANSWER) + 40, 5.0012)
        recorder.flush()

    print(f"counting                       {best(count):6.2f} us")
    print(f"recording, in the worker       {best(record):6.2f} us")
    for name, lines in (("json", make_lines("json")), ("nginx", make_lines("nginx"))):
        told = best(lambda lines=lines: [lines(each) for each in batches])  # type: ignore[misc]
        print(f"a line ({name}), in the master  {told:6.2f} us")


if __name__ == "__main__":
    main()
