"""What is asked of the proxies: wrk scripts, and the addresses that they are aimed at."""

from __future__ import annotations

import math
from pathlib import Path

from attrs import frozen

from benchmarks.measure import WrkRun

PLAIN_HOST = "plain.example.com"
# wrk takes the server name for TLS from the URL, so this one must resolve to the loopback.
TLS_HOST = "localhost"

SMALL_BYTES = 200
LARGE_BYTES = 10_000_000


@frozen
class Load:
    """One kind of load."""

    name: str
    title: str
    connections: int
    is_tls: bool = False
    is_large: bool = False
    is_http2: bool = False

    @property
    def host(self) -> str:
        """The value of the Host field."""
        return TLS_HOST if self.is_tls else PLAIN_HOST

    @property
    def body_bytes(self) -> int:
        """Size of each answer's body."""
        return LARGE_BYTES if self.is_large else SMALL_BYTES


LOADS = (
    Load("plain", "HTTP/1.1 keep-alive, unique path and cookie", 50),
    Load("tls", "HTTPS keep-alive (ECDSA P-256), unique path and cookie", 50, is_tls=True),
    Load(
        "h2",
        "HTTP/2 (TLS), 10 connections of 10 streams, 2,000 paths",
        10,
        is_tls=True,
        is_http2=True,
    ),
    Load("large", "10 MB bodies", 2, is_large=True),
)

_OUTCOME = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("outcome %d %d %d %d %d %d\\n", summary.requests, e.connect,
    e.read, e.write, e.status, e.timeout))
end
"""

# A browser's eight fields. The string is made by hand: wrk.format sorts and copies tables.
_UNIQUE = """
local n = 0
request = function()
  n = n + 1
  return "GET /shop/articles/" .. n .. "?page=" .. (n % 7) .. " HTTP/1.1\\r\\n" ..
    "Host: @HOST@\\r\\n" ..
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\\r\\n" ..
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\\r\\n" ..
    "Accept-Language: en-GB,en;q=0.5\\r\\n" ..
    "Accept-Encoding: gzip, deflate, br\\r\\n" ..
    "Referer: https://@HOST@/shop/\\r\\n" ..
    "Connection: keep-alive\\r\\n" ..
    "Cookie: session=4f2a" .. n .. "; theme=dark\\r\\n\\r\\n"
end
"""

_LARGE = """
request = function()
  return "GET /large HTTP/1.1\\r\\nHost: @HOST@\\r\\n\\r\\n"
end
"""


_STREAMS = 10
_PATHS = 2000
# The same browser as above; h2load can vary the path alone.
_FIELDS = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language: en-GB,en;q=0.5",
    "accept-encoding: gzip, deflate, br",
    f"referer: https://{TLS_HOST}/shop/",
    "cookie: session=4f2a; theme=dark",
)


def paths() -> str:
    """Return what h2load asks for, one target a line."""
    return "".join(f"/shop/articles/{n}?page={n % 7}\n" for n in range(_PATHS))


def h2load_run(load: Load, port: int, seconds: float, paths_path: Path, core: int) -> WrkRun:
    """Return what loads the proxy on *port* by HTTP/2 for *seconds* at least, in whole ones."""
    fields = [word for field in _FIELDS for word in ("-H", field)]
    command = (
        "taskset", "-c", str(core),
        "h2load", "-t1", f"-c{load.connections}", f"-m{_STREAMS}", f"-D{math.ceil(seconds)}",
        "-B", f"https://{TLS_HOST}:{port}", "-i", str(paths_path), *fields,
    )  # fmt: skip
    return WrkRun(command, load.connections * _STREAMS, is_wrk=False)


def script(load: Load) -> str:
    """Return the Lua text of a load."""
    body = _LARGE if load.is_large else _UNIQUE
    return body.replace("@HOST@", load.host) + _OUTCOME


def wrk_run(load: Load, port: int, seconds: float, script_path: Path, core: int) -> WrkRun:
    """Return what loads the proxy on *port* for *seconds* at least; wrk knows whole ones only."""
    scheme, host = ("https", TLS_HOST) if load.is_tls else ("http", "127.0.0.1")
    command = (
        "taskset", "-c", str(core),
        "wrk", "-t1", f"-c{load.connections}", f"-d{math.ceil(seconds) + 5}s",
        "--timeout", "20s", "-s", str(script_path), f"{scheme}://{host}:{port}/",
    )  # fmt: skip
    return WrkRun(command, load.connections)
