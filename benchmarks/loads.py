"""
What is asked of the proxies: scripts of the load generators, and the addresses they are aimed at.

Every request of a load differs from all others, as in the field; what clients of one kind send is
otherwise alike: a browser's fields.
"""

from __future__ import annotations

import math
import sys
from enum import Enum
from pathlib import Path

from attrs import frozen

from benchmarks.measure import ClientRun

ROOT = Path(__file__).resolve().parent.parent

PLAIN_HOST = "plain.example.com"
# wrk takes the server name for TLS from the URL, so this one must resolve to the loopback.
TLS_HOST = "localhost"
ROUTES_HOST = "routes.example.com"
SOCKET_PATH = "/socket"

ROUTES = 2_000
HOSTS = 10_000
PATHS_OF_A_HOST = 10

SMALL_BYTES = 200
# Files of the backend, under /files/.
BODIES = {"medium": 100_000, "large": 10_000_000}


class Client(Enum):
    """Which program makes the load."""

    WRK = "wrk"
    H2LOAD = "h2load"
    HANDSHAKES = "benchmarks.handshakes"
    RESUMPTIONS = "benchmarks.handshakes --resume"
    TUNNELS = "benchmarks.tunnels"


class Scene(Enum):
    """Which rules the proxies have while the load runs."""

    SMALL = "one route for each host"
    ROUTES = f"{ROUTES:,} routes of one host"
    HOSTS = f"{HOSTS:,} hosts of {PATHS_OF_A_HOST} paths"


@frozen
class Load:
    """
    One kind of load.

    ``method``, ``host``, ``path`` and ``body`` are expressions of Lua, in which ``n`` is the
    request's number. ``pause`` is how long each connection of wrk waits on average before its
    next request, in milliseconds. ``peers``: only these are measured, if any are named.
    """

    name: str
    title: str
    connections: int = 50
    client: Client = Client.WRK
    scene: Scene = Scene.SMALL
    is_tls: bool = False
    method: str = "GET"
    host: str = f'"{PLAIN_HOST}"'
    path: str = '"/shop/articles/" .. n'
    body: str = ""
    pause: int = 0
    peers: tuple[str, ...] = ()


_JSON = """'{"article":' .. n .. ',"amount":' .. n % 7 .. ',"session":"4f2a' .. n .. \
'","address":{"name":"Ada Lovelace","street":"12 St James Square","city":"London"},"gift":false,\
"comment":"Please leave the parcel with the neighbours on the left if nobody opens. Thanks."}'"""
_UPLOAD = """string.rep("4f2a" .. n % 10, 20000)"""

LOADS = (
    Load("plain", "HTTP/1.1 keep-alive, unique path and cookie"),
    Load(
        "tls",
        "HTTPS keep-alive (ECDSA P-256), unique path and cookie",
        is_tls=True,
        host=f'"{TLS_HOST}"',
    ),
    Load(
        "h2",
        "HTTP/2 (TLS), 10 connections of 10 streams, 2,000 paths",
        connections=10,
        client=Client.H2LOAD,
        is_tls=True,
        host=f'"{TLS_HOST}"',
    ),
    Load(
        "handshake",
        "a TLS 1.3 connection (ECDSA P-256) for each request",
        connections=4,
        client=Client.HANDSHAKES,
        is_tls=True,
    ),
    Load(
        "resumed",
        "the same, every session resumed",
        connections=4,
        client=Client.RESUMPTIONS,
        is_tls=True,
    ),
    Load("tunnel", "WebSocket, 4 connections, each MB", connections=4, client=Client.TUNNELS),
    Load("post", "POST of 300 bytes of JSON", method="POST", body=_JSON),
    Load("upload", "POST of 100 KB", connections=8, method="POST", body=_UPLOAD),
    Load("medium", "100 KB bodies", connections=8, path='"/files/medium"'),
    Load("large", "10 MB bodies", connections=2, path='"/files/large"'),
    Load(
        "routes",
        Scene.ROUTES.value,
        scene=Scene.ROUTES,
        host=f'"{ROUTES_HOST}"',
        path=f'"/services/" .. n * 7919 % {ROUTES} .. "/articles/" .. n',
    ),
    Load(
        "hosts",
        Scene.HOSTS.value,
        scene=Scene.HOSTS,
        host=f'"h" .. n * 7919 % {HOSTS} .. ".example.com"',
        path=f'"/p" .. math.floor(n / {HOSTS}) % {PATHS_OF_A_HOST} .. "/articles/" .. n',
        peers=("ours", "nginx", "haproxy"),
    ),
)


_OUTCOME = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("outcome %d %d %d %d %d %d\\n", summary.requests, e.connect,
    e.read, e.write, e.status, e.timeout))
end
"""

# A browser's fields. The string is made by hand: wrk.format sorts and copies tables.
_REQUEST = """
local n = 0
request = function()
  n = n + 1
  local host = @HOST@
  local body = @BODY@
  return "@METHOD@ " .. @PATH@ .. "?page=" .. n .. " HTTP/1.1\\r\\n" ..
    "Host: " .. host .. "\\r\\n" ..
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\\r\\n" ..
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\\r\\n" ..
    "Accept-Language: en-GB,en;q=0.5\\r\\n" ..
    "Accept-Encoding: gzip, deflate, br\\r\\n" ..
    "Referer: https://" .. host .. "/shop/\\r\\n" ..
    @FIELDS@
    "Connection: keep-alive\\r\\n" ..
    "Cookie: session=4f2a" .. n .. "; theme=dark\\r\\n\\r\\n" .. body
end
"""
_DELAY = """
delay = function()
  return math.random(0, 2 * @PAUSE@)
end
"""
_BODY_FIELDS = """"Content-Type: application/json\\r\\n" ..
    "Content-Length: " .. #body .. "\\r\\n" .."""


def script(load: Load) -> str:
    """Return the Lua text of a load."""
    delay = _DELAY.replace("@PAUSE@", str(load.pause)) if load.pause else ""
    request = (
        _REQUEST.replace("@HOST@", load.host)
        .replace("@BODY@", load.body or '""')
        .replace("@METHOD@", load.method)
        .replace("@PATH@", load.path)
        .replace("    @FIELDS@\n", f"    {_BODY_FIELDS}\n" if load.body else "")
    )
    return request + delay + _OUTCOME


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


def make_run(load: Load, port: int, seconds: float, folder: Path, core: int) -> ClientRun:
    """Return what loads the proxy on *port* for *seconds* at least."""
    return _RUNS[load.client](load, port, seconds, folder, core)


def _h2load(load: Load, port: int, seconds: float, folder: Path, core: int) -> ClientRun:
    targets = folder / f"{load.name}.targets"
    targets.write_text(paths())
    fields = [word for field in _FIELDS for word in ("-H", field)]
    command = (
        "taskset", "-c", str(core),
        "h2load", "-t1", f"-c{load.connections}", f"-m{_STREAMS}", f"-D{math.ceil(seconds)}",
        "-B", f"https://{TLS_HOST}:{port}", "-i", str(targets), *fields,
    )  # fmt: skip
    return ClientRun(command, load.connections * _STREAMS, ends_by_itself=True)


def _wrk(load: Load, port: int, seconds: float, folder: Path, core: int) -> ClientRun:
    lua = folder / f"{load.name}.lua"
    lua.write_text(script(load))
    scheme, host = ("https", TLS_HOST) if load.is_tls else ("http", "127.0.0.1")
    command = (
        "taskset", "-c", str(core),
        "wrk", "-t1", f"-c{load.connections}", f"-d{math.ceil(seconds) + 5}s",
        "--timeout", "20s", "-s", str(lua), f"{scheme}://{host}:{port}/",
    )  # fmt: skip
    return ClientRun(command, load.connections)


def _handshakes(load: Load, port: int, _: float, __: Path, core: int) -> ClientRun:
    words = load.client.value.split()
    return _python(core, load.connections, *words, str(port), TLS_HOST, "--threads")


def _tunnels(load: Load, port: int, _: float, __: Path, core: int) -> ClientRun:
    where = (str(port), PLAIN_HOST, SOCKET_PATH)
    return _python(core, load.connections, load.client.value, "client", *where, "--connections")


def _python(core: int, number: int, module: str, *words: str) -> ClientRun:
    """Return a run of one of our own clients; *words* end in the option for the *number*."""
    path = (f"PYTHONPATH={ROOT}", sys.executable, "-m", module)
    command = ("taskset", "-c", str(core), "env", *path, *words, str(number))
    return ClientRun(command, number)


_RUNS = {
    Client.WRK: _wrk,
    Client.H2LOAD: _h2load,
    Client.HANDSHAKES: _handshakes,
    Client.RESUMPTIONS: _handshakes,
    Client.TUNNELS: _tunnels,
}
