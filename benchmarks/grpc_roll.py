"""
Calls of gRPC, of all four kinds, while the endpoints are replaced one after the other.

``python benchmarks/grpc_roll.py --help`` tells the options. Endpoints leave as pods do: the new
one is there, the old one is taken off the Service, and soon (--notice) it says GOAWAY, accepts no
connection and ends what runs. Every call has to succeed, with what was asked. Clients retry
nothing. Without any notice grpcio's own server cancels a call in thousands: one that it has taken
on while it stops; whether that was executed nobody can know, so it is not made again.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, this folder would come first on the path and its http.py hide the library's.
if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from attrs import frozen

from tests.wire.harness.grpc_world import Calls, GrpcServer
from tests.wire.harness.program import running
from tests.wire.harness.secure import Manifests

HOST = "grpc.example.com"
_SECONDS = 30.0
_GRACE = 20.0
_MESSAGES = 5


@frozen
class Plan:
    """How many calls of each kind, by how many clients, and how endpoints are replaced."""

    calls: int
    clients: int
    endpoints: int
    pause: float
    notice: float
    workers: int


class Roller:
    """
    The endpoints of one Service, of which always one is being replaced.

    Attributes:
        replaced: How many have been.
    """

    def __init__(self, manifests: Manifests, plan: Plan) -> None:
        self._manifests = manifests
        self._pause, self._notice = plan.pause, plan.notice
        self._servers = [GrpcServer().start() for _ in range(plan.endpoints)]
        self._is_over = threading.Event()
        self._leaving: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._roll, daemon=True)
        self.replaced = 0
        self._publish()

    def start(self) -> None:
        """Begin to replace endpoints."""
        self._thread.start()

    def stop(self) -> None:
        """Replace no more, and end them all."""
        self._is_over.set()
        self._thread.join()
        for thread in self._leaving:
            thread.join()
        for server in self._servers:
            server.stop()

    def _publish(self) -> None:
        self._manifests.service("grpc", *self._servers)

    def _roll(self) -> None:
        while not self._is_over.wait(self._pause):
            self._servers.append(GrpcServer().start())
            old = self._servers.pop(0)
            self._publish()
            leaving = threading.Thread(target=self._leave, args=(old,))
            leaving.start()
            self._leaving.append(leaving)
            self.replaced += 1

    def _leave(self, server: GrpcServer) -> None:
        time.sleep(self._notice)
        server.stop(_GRACE)


def _unary(calls: Calls, text: bytes) -> bool:
    found: bytes = calls.unary(text, timeout=_SECONDS)
    return found == text


def _server_stream(calls: Calls, text: bytes) -> bool:
    found = list(calls.server_stream(b"%d" % _MESSAGES, timeout=_SECONDS))
    return found == [b"%d" % number for number in range(_MESSAGES)]


def _client_stream(calls: Calls, text: bytes) -> bool:
    found: bytes = calls.client_stream(iter([text] * _MESSAGES), timeout=_SECONDS)
    return found == b"%d" % (len(text) * _MESSAGES)


def _both(calls: Calls, text: bytes) -> bool:
    return list(calls.both(iter([text] * _MESSAGES), timeout=_SECONDS)) == [text] * _MESSAGES


KINDS: dict[str, Callable[[Calls, bytes], bool]] = {
    "unary": _unary,
    "server streaming": _server_stream,
    "client streaming": _client_stream,
    "bidirectional": _both,
}


def play(call: Callable[[Calls, bytes], bool], port: int, plan: Plan) -> Counter[str]:
    """Make all calls of one kind; count what becomes of them."""

    def work(number: int) -> Counter[str]:
        calls, found = Calls(port, HOST), Counter[str]()
        for index in range(number, plan.calls, plan.clients):
            try:
                found["good" if call(calls, b"call %d" % index) else "another answer"] += 1
            except grpc.RpcError as error:
                found[f"{error.code().name}: {error.details()}"] += 1
        calls.close()
        return found

    with ThreadPoolExecutor(plan.clients) as pool:
        return sum(pool.map(work, range(plan.clients)), Counter[str]())


def run(plan: Plan) -> Iterator[tuple[str, Counter[str], float, int]]:
    """Give, for each kind, what became of its calls, the seconds, and how many were replaced."""
    with tempfile.TemporaryDirectory(prefix="fsm-grpc-") as name:
        folder = Path(name)
        served = folder / "manifests"
        served.mkdir()
        manifests = Manifests(served)
        manifests.ingress_class()
        manifests.ingress("grpc", "grpc", (HOST,), {"upstream-protocol": "GRPC"})
        roller = Roller(manifests, plan)
        options = ("--h2c", "on", "--workers", str(plan.workers))
        with running(served, folder / "log", *options) as program:
            roller.start()
            for kind, call in KINDS.items():
                begun, before = time.monotonic(), roller.replaced
                found = play(call, program.http, plan)
                yield kind, found, time.monotonic() - begun, roller.replaced - before
            roller.stop()


def parse_arguments(arguments: Sequence[str] | None) -> Plan:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/grpc_roll.py", description=__doc__)
    add = parser.add_argument
    add("--calls", type=int, default=10_000, help="of each kind [%(default)s]")
    add("--clients", type=int, default=8, help="connections, one call at a time [%(default)s]")
    add("--endpoints", type=int, default=3, help="at the same time [%(default)s]")
    add("--pause", type=float, default=0.5, help="seconds from one to the next [%(default)s]")
    add("--notice", type=float, default=0.5, help="seconds that one serves on [%(default)s]")
    add("--workers", type=int, default=2, help="of the ingress [%(default)s]")
    options = parser.parse_args(arguments)
    return Plan(
        options.calls,
        options.clients,
        options.endpoints,
        options.pause,
        options.notice,
        options.workers,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; 1 when a call has failed."""
    plan, is_good = parse_arguments(arguments), True
    for kind, found, seconds, replaced in run(plan):
        good = found.pop("good", 0)
        is_good = is_good and good == plan.calls
        print(
            f"{kind}: {good} good, {sum(found.values())} failed, in {seconds:.1f} s;"
            f" {replaced} endpoints replaced",
            flush=True,
        )
        for what, count in found.most_common(5):
            print(f"  {count} x {what}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
