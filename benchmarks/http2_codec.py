"""
CPU of the HTTP/2 codec alone, in microseconds a request.

``python benchmarks/http2_codec.py`` decodes browser-like requests (eight fields, a path and a
cookie of their own each) and encodes a usual response with 200 bytes, several streams a read as
h2load and browsers send them. No socket, no TLS, no proxy.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Run as a script, this folder would come first on the path and our name hide the library's http.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from fsm_twisted.http2.codes import PREFACE
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.http2.encoder import Encoder
from fsm_twisted.http2.events import RequestReceived
from fsm_twisted.http2.frames import write_block, write_settings
from fsm_twisted.http2.lines import Lines, short_string
from fsm_twisted.message.framing import Sized
from fsm_twisted.message.heads import ResponseHead

_STABLE = (
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"referer", b"https://shop.example.com/catalogue"),
    (b"upgrade-insecure-requests", b"1"),
    (b"sec-fetch-mode", b"navigate"),
)
_BODY = b"x" * 200


def requests(count: int) -> list[bytes]:
    """Write requests as browsers do: what stays the same in the table, path and cookie coded."""
    stable = frozenset(name for name, _ in _STABLE)
    encoder = Encoder(Lines(stable, frozenset()), 4096)
    blocks = []
    for number in range(count):
        path = b"/catalogue/item/%08d/view?page=%d" % (number * 7919 % 10**8, number % 50)
        cookie = b"session=%032x; theme=dark" % (number * 0x9E3779B97F4A7C15 % 2**128)
        first = b"\x82\x87\x04" + short_string(path) + encoder.authority(b"shop.example.com")
        last = b"\x0f\x11" + short_string(cookie)
        block = encoder.encode(first, _STABLE, last)
        blocks.append(b"".join(write_block(2 * number + 1, block, 16384, end=True)))
    return blocks


def answer(number: int) -> ResponseHead:
    """Make a head as endpoints do; the strings are new ones, as when they have just been read."""
    fields = (
        (b"Server", b"nginx/1.22.1"),
        (b"Date", b"Mon, 23 Nov 2026 00:00:%02d GMT" % (number // 5000 % 60)),
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Last-Modified", b"Sun, 22 Nov 2026 10:00:00 GMT"),
        (b"ETag", b'"%x-c8"' % (number % 2000)),
        (b"Accept-Ranges", b"bytes"),
    )
    return ResponseHead(200, b"OK", 1, fields, Sized(len(_BODY)), True)  # noqa: FBT003


def measure(count: int, streams: int) -> float:
    """Return the microseconds of CPU for each of *count* requests, *streams* in a read."""
    blocks = requests(count)
    reads = [b"".join(blocks[at : at + streams]) for at in range(0, count, streams)]
    heads = [answer(number) for number in range(count)]
    connection = Connection(Role.SERVER)
    connection.receive(PREFACE + write_settings([(4, 2**31 - 1)]) + _WIDE, 0.0)
    connection.take_output()
    done = 0
    begin = time.process_time()
    for read in reads:
        for event in connection.receive(read, 0.0):
            if type(event) is RequestReceived:
                connection.send_response(event.stream, heads[done], end=False)
                connection.send_data(event.stream, _BODY, end=True)
                done += 1
        connection.take_output()
    spent = time.process_time() - begin
    if done != count:
        raise AssertionError("not every request was answered")
    return spent / count * 1e6


_WIDE = b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + (2**31 - 1 - 65535).to_bytes(4, "big")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure some rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=10, help="requests in one read")
    options = parser.parse_args(arguments)
    gc.disable()  # workers freeze what is there and collect rarely
    figures = sorted(measure(options.requests, options.streams) for _ in range(options.rounds))
    print(f"best {figures[0]:.2f}, median {figures[len(figures) // 2]:.2f} us a request")


if __name__ == "__main__":
    main()
