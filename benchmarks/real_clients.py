"""
Real clients against the running ingress: curl, nghttp, h2load and Chromium.

``python benchmarks/real_clients.py`` starts the ingress with HTTP/2 on both listeners, visits a
site through it with each client that is installed, and prints what was asked and whether it came
out right. On Debian: apt-get install curl nghttp2-client chromium. The result is in docs/http.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import hashlib
import json
import queue
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen

from benchmarks import ingress, table, website
from benchmarks.site import Rule, free_port, make_certificate
from benchmarks.website import LARGE, PARTS, SUBPROTOCOL, Website

PAGE, OTHER, PLAIN = "page.test", "other.test", "plain.test"
PACKAGES = {"curl": "curl", "nghttp": "nghttp2-client", "h2load": "nghttp2-client"}
PACKAGES["chromium"] = "chromium"
_SECONDS = 60
_CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors", "--host-resolver-rules=MAP *.test 127.0.0.1",
)  # fmt: skip


@frozen
class World:
    """The site, the ingress before it, and a folder for what clients need."""

    site: Website
    ports: ingress.Ports
    folder: Path

    @property
    def access_log(self) -> list[dict[str, object]]:
        """What the ingress has written of the requests so far."""
        text = (self.folder / "access.log").read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


@frozen
class Outcome:
    """One thing that a client did; ``fault`` is empty when it came out right."""

    client: str
    what: str
    fault: str = ""


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Run the site, and the ingress with HTTP/2 on both listeners."""
    certificate, key = make_certificate(folder, PAGE)
    with website.serve() as site:
        ports = ingress.Ports(free_port(), free_port(), free_port())
        rules = [Rule(host) for host in (PAGE, OTHER, PLAIN)]
        tls = ingress.Tls(PAGE, certificate, key)
        options = ("--h2c", "on", "--access-log", str(folder / "access.log"))
        text = ingress.manifests(rules, (site.port,), tls)
        started = ingress.launch(folder, text, ports, options)
        site.sockets[PAGE] = {
            "HTTP/2": f"wss://{PAGE}:{ports.https}/over-http2",
            "HTTP/1 and TLS": f"wss://{OTHER}:{ports.https}/over-tls",
        }
        site.sockets[PLAIN] = {"HTTP/1": f"ws://{PLAIN}:{ports.http}/over-plain"}
        try:
            yield World(site, ports, folder)
        finally:
            ingress.stop(started.process)


def say(*words: str) -> str:
    """Run a client and return what it prints."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"nothing in {_SECONDS} seconds"
    return done.stdout.decode("utf-8", "replace")


def expect(client: str, what: str, found: object, wanted: object) -> Outcome:
    """Compare."""
    return Outcome(client, what, "" if found == wanted else f"{found!r} instead of {wanted!r}")


# curl


def curl(world: World) -> Iterator[Outcome]:
    """ALPN, prior knowledge, an upgrade that is not taken, uploads, and many at once."""
    ports, large = world.ports, world.folder / "large"
    large.write_bytes(LARGE)
    told = ("-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download}\n")

    def ask(*words: str) -> str:
        at = (f"{PAGE}:{ports.https}", f"{PLAIN}:{ports.http}")
        found = [word for each in at for word in ("--resolve", f"{each}:127.0.0.1")]
        return say("curl", "-sk", *found, *words).rstrip()

    secure, clear = f"https://{PAGE}:{ports.https}", f"http://{PLAIN}:{ports.http}"
    whole = f"2 200 {len(LARGE)}"
    yield expect("curl", "--http2, 1 MiB down", ask("--http2", *told, f"{secure}/large"), whole)
    known = ask("--http2-prior-knowledge", *told, f"{clear}/large")
    yield expect("curl", "--http2-prior-knowledge, 1 MiB down", known, whole)
    upgraded = ask("--http2", *told, f"{clear}/large")
    yield expect("curl", "--http2 in plain stays HTTP/1.1", upgraded, f"1.1 200 {len(LARGE)}")
    digest = hashlib.sha256(LARGE).hexdigest()
    for name, scheme, version in (
        ("--http2", secure, "--http2"),
        ("--http2-prior-knowledge", clear, "--http2-prior-knowledge"),
    ):
        sent = ask(version, "--data-binary", f"@{large}", f"{scheme}/echo")
        yield expect("curl", f"{name}, 1 MiB up", sent, digest)
        piped = ask(
            version, "-T", str(large), "-X", "POST", "-H", "Content-Length:", f"{scheme}/echo"
        )
        yield expect("curl", f"{name}, 1 MiB up of unknown length", piped, digest)
    many = ask("--http2", "-Z", *told, f"{secure}/part/[0-49].js")
    yield expect("curl", "--http2, 50 at once", many.count("2 200 "), 50)


# nghttp and h2load


def nghttp(world: World) -> Iterator[Outcome]:
    """Pages with their parts, many streams, padding, continuations, uploads with trailers."""
    large = world.folder / "large"
    large.write_bytes(LARGE)
    for name, url, host in (
        ("TLS", f"https://127.0.0.1:{world.ports.https}", PAGE),
        ("plain", f"http://127.0.0.1:{world.ports.http}", PLAIN),
    ):
        begin = ("nghttp", "-H", f":authority: {host}")

        def good(*words: str, begin: tuple[str, ...] = begin) -> int:
            return len(re.findall(r" 200 +\S+ /", say(*begin, "-ns", *words)))

        yield expect("nghttp", f"{name}: page and parts (-a)", good("-a", f"{url}/"), PARTS + 1)
        many = good("-m", "100", f"{url}/part/1.css")
        yield expect("nghttp", f"{name}: 100 streams (-m)", many, 100)
        yield expect("nghttp", f"{name}: padding", good("--padding=200", f"{url}/part/1.css"), 1)
        continued = good("--continuation", f"{url}/part/1.css")
        yield expect("nghttp", f"{name}: CONTINUATION", continued, 1)
        tight = good("-w", "10", "-W", "11", "-m", "3", f"{url}/large")
        yield expect("nghttp", f"{name}: windows of 1 and 2 KiB, 3 x 1 MiB", tight, 3)
        sent = say(*begin, "-d", str(large), "--trailer", "x-sum: 1", f"{url}/echo").strip()
        digest = hashlib.sha256(LARGE).hexdigest()
        yield expect("nghttp", f"{name}: 1 MiB up, with trailers", sent, digest)


def h2load(world: World) -> Iterator[Outcome]:
    """Many connections of many streams."""
    for name, url in (
        ("TLS", f"https://127.0.0.1:{world.ports.https}/part/0.js"),
        ("plain", f"http://127.0.0.1:{world.ports.http}/part/0.js"),
    ):
        host = PAGE if name == "TLS" else PLAIN
        told = say("h2load", "-n3000", "-c20", "-m50", "-H", f":authority: {host}", url)
        found = re.search(r"(\d+) succeeded, (\d+) failed", told)
        counts = found.groups() if found else told
        yield expect("h2load", f"{name}: 3,000 requests, 20 x 50", counts, ("3000", "0"))


# Chromium


def visit(world: World, url: str) -> dict[str, object]:
    """Have the browser load a page; return what it reports."""
    with tempfile.TemporaryDirectory(dir=world.folder) as profile:
        browser = (
            "chromium",
            *_CHROMIUM,
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            url,
        )
        with subprocess.Popen(
            browser, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                return world.site.reports.get(timeout=_SECONDS)
            except queue.Empty:
                return {}
            finally:
                ingress.stop(process)
                # Its children write into the profile; the last of them closes its output.
                process.communicate(timeout=_SECONDS)


def chromium(world: World) -> Iterator[Outcome]:
    """A page with fifty parts, and WebSockets on every road."""
    for name, url, version in (
        ("TLS", f"https://{PAGE}:{world.ports.https}/", "h2"),
        ("plain", f"http://{PLAIN}:{world.ports.http}/", "http/1.1"),
    ):
        seen = visit(world, url)
        what = f"{name}: page and {PARTS} parts by {version}"
        found = [seen.get(key) for key in ("page", "parts", "protocols", "ran")]
        yield expect("chromium", what, found, [version, PARTS, [version], (PARTS + 2) // 3])
        sockets = seen.get("sockets")
        for road, heard in sockets.items() if isinstance(sockets, dict) else ():
            yield from _socket_outcomes(world, road, heard)


_ROADS = {
    "HTTP/2": ("/over-http2", "HTTP/2.0"),
    "HTTP/1 and TLS": ("/over-tls", "HTTP/1.1"),
    "HTTP/1": ("/over-plain", "HTTP/1.1"),
}


def _socket_outcomes(world: World, road: str, heard: dict[str, object]) -> Iterator[Outcome]:
    path, version = _ROADS[road]
    yield expect("chromium", f"WebSocket over {road}: echo", [heard.get("echo")], [True])
    said = [heard.get("protocol"), str(heard.get("extensions")).partition(";")[0]]
    what = f"WebSocket over {road}: subprotocol and compression, untouched"
    yield expect("chromium", what, said, [SUBPROTOCOL, "permessage-deflate"])
    asked = world.site.handshakes.get(path, {})
    offered = [asked.get(f"sec-websocket-{name}") for name in ("protocol", "extensions")]
    what = f"WebSocket over {road}: what the browser offers reaches the endpoint"
    wanted = ["chat.v1, chat.v2", "permessage-deflate; client_max_window_bits"]
    yield expect("chromium", what, offered, wanted)
    logged = wait_for(lambda: [each for each in world.access_log if each["path"] == path])
    versions = {each["protocol"] for each in logged}
    yield expect("chromium", f"WebSocket over {road}: the log's version", versions, {version})


def wait_for(ask: Callable[[], list[dict[str, object]]]) -> list[dict[str, object]]:
    """Ask until there is an answer, for five seconds."""
    deadline = time.monotonic() + 5
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


CLIENTS: dict[str, Callable[[World], Iterator[Outcome]]] = {
    "curl": curl,
    "nghttp": nghttp,
    "h2load": h2load,
    "chromium": chromium,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the clients that are here; 1 when one of them met a fault."""
    parser = argparse.ArgumentParser(prog="benchmarks/real_clients.py", description=__doc__)
    parser.add_argument("--clients", default=",".join(CLIENTS), help="which of them [%(default)s]")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    options = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fsm-clients-") as name, running(Path(name)) as world:
        for client in options.clients.split(","):
            if shutil.which(client) is None:
                print(f"{client}: not installed (Debian: {PACKAGES[client]})", file=sys.stderr)
                continue
            for outcome in CLIENTS[client](world):
                print(f"{client}: {outcome.what}: {outcome.fault or 'ok'}", flush=True)
                outcomes.append(outcome)
    lines = [(each.client, each.what, each.fault or "ok") for each in outcomes]
    if options.markdown:
        options.markdown.write_text(table.markdown(("client", "what", "outcome"), lines))
    faults = sum(bool(each.fault) for each in outcomes)
    print(f"{len(outcomes) - faults} ok, {faults} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
