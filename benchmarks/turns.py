"""
The turns of a run: in each round every load, and in each load one proxy after the other.

The turns that are compared lie seconds apart, and each load sees the whole time of the run.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

from attrs import define, frozen

from benchmarks import ingress, latency, loads, peers
from benchmarks.latency import DIRECT, Latency
from benchmarks.loads import Client, Load, Scene
from benchmarks.measure import BenchmarkError, Sample, family, move, parents, take_sample
from benchmarks.memory import proportional_kib
from benchmarks.peer import Peer, start
from benchmarks.site import Rule, Site
from benchmarks.table import Results

MakePeers = Callable[[Site], Sequence[Peer]]

RULES = {
    Scene.SMALL: (Rule(loads.PLAIN_HOST), Rule(loads.TLS_HOST)),
    Scene.ROUTES: (Rule(loads.ROUTES_HOST, tuple(f"/services/{n}" for n in range(loads.ROUTES))),),
    Scene.HOSTS: tuple(
        Rule(f"h{n}.example.com", tuple(f"/p{path}" for path in range(loads.PATHS_OF_A_HOST)))
        for n in range(loads.HOSTS)
    ),
}


@frozen
class Plan:
    """
    How long to measure.

    No round is begun that would not end within *budget* seconds of the first one's begin; the
    first one is always taken.
    """

    rounds: int
    seconds: float
    warm: float
    budget: float = math.inf


@define
class Running:
    """A proxy that has been started."""

    peer: Peer
    pid: int


class Stage:
    """
    The backend and, for each scene, the proxies with its rules; started when first needed.

    Args:
        folder: For what they need.
        make_peers: Configures the proxies of a scene.
        stack: Ends all of them.
        is_apart: Whether masters run on the core of backend and load.
    """

    def __init__(
        self, folder: Path, make_peers: MakePeers, stack: ExitStack, *, is_apart: bool = False
    ) -> None:
        self._make_peers = make_peers
        self._is_apart = is_apart
        self._stack = stack
        self._scenes: dict[Scene, tuple[Running, ...]] = {}
        self.proxy_core, self.load_core = cores()
        self.site = peers.make_site(folder, RULES[Scene.SMALL])
        self._asked = count()
        self._start(peers.backend(self.site), self.site, self.load_core)
        self._start(peers.socket_backend(self.site), self.site, self.load_core)

    def seen(self, load: Load) -> int:
        """Return what the backend of *load* has counted, our own askings left out."""
        if load.client is Client.TUNNELS:
            return peers.megabytes_sent(self.site.socket_port)
        return peers.requests_seen(self.site.backend_port) - next(self._asked)

    def proxies(self, load: Load) -> tuple[Running, ...]:
        """Return what is measured in *load*."""
        if load.scene not in self._scenes:
            self._scenes[load.scene] = self._open(load)
        return tuple(
            each
            for each in self._scenes[load.scene]
            if (not load.peers or _is_meant(each.peer.name, load.peers))
            and (not each.peer.loads or load.name in each.peer.loads)
        )

    def _open(self, load: Load) -> tuple[Running, ...]:
        site = self.site
        if load.scene is not Scene.SMALL:
            folder = site.folder / load.scene.name
            site = peers.make_site(folder, RULES[load.scene], site)
        made = self._make_peers(site)
        return tuple(
            self._start(peer, site, self.proxy_core)
            for peer in made
            if (not load.peers or _is_meant(peer.name, load.peers))
            and (not peer.loads or load.scene is Scene.SMALL)
        )

    def start(self, peer: Peer) -> Running:
        """Start a proxy of the small scene that is measured by itself."""
        return self._start(peer, self.site, self.proxy_core)

    def _start(self, peer: Peer, site: Site, core: int) -> Running:
        process = start(peer, site.folder, core)
        self._stack.callback(ingress.stop, process)
        if self._is_apart and len(family(process.pid, parents())) > 1:
            move(process.pid, self.load_core)
        return Running(peer, process.pid)

    def memory(self) -> dict[str, dict[str, int]]:
        """Return the resident memory of all proxies of all scenes that are there, in KiB."""
        return {
            scene.name.lower(): {each.peer.name: proportional_kib(each.pid) for each in running}
            for scene, running in self._scenes.items()
        }


def _is_meant(name: str, names: Iterable[str]) -> bool:
    """Tell whether a peer is among *names*; the variants of ours are where ours is."""
    return name in names or (name not in peers.OTHERS and "ours" in names)


def cores() -> tuple[int, int]:
    """Return the core of the proxies and that of backend and load generator."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def take_turns(stage: Stage, wanted: Sequence[Load], plan: Plan) -> Results:
    """
    Measure every load round after round.

    Raises:
        BenchmarkError: Some turn cannot be a figure; the text says whose and why.
    """
    taken: dict[str, dict[str, list[Sample]]] = {load.name: {} for load in wanted}
    begun = time.monotonic()
    for number in range(plan.rounds):
        lasted = time.monotonic() - begun
        if number and lasted * (number + 1) / number > plan.budget:
            print(f"no time for round {number + 1} of {plan.rounds}", file=sys.stderr)
            break
        for load in wanted:
            for running in stage.proxies(load):
                sample = _turn(stage, load, running, plan)
                taken[load.name].setdefault(running.peer.name, []).append(sample)
                figure = f"{sample.microseconds_per_request:.1f}"
                place = f"{number + 1}/{plan.rounds} {load.name} {running.peer.name}"
                print(f"{place}: {figure}", flush=True)
    return taken


def _turn(stage: Stage, load: Load, running: Running, plan: Plan) -> Sample:
    port = running.peer.port(load)
    seconds = plan.seconds + plan.warm
    run = loads.make_run(load, port, seconds, stage.site.folder, stage.load_core)
    try:
        return take_sample(running.pid, run, plan.seconds, plan.warm, partial(stage.seen, load))
    except BenchmarkError as error:
        msg = f"{running.peer.name}, {load.name}: {error}"
        raise BenchmarkError(msg) from None


def take_latencies(
    stage: Stage, plan: Plan, rate: float, names: Sequence[str]
) -> dict[str, list[Latency]]:
    """Measure the latency of these proxies, and that without any, round after round."""
    client = latency.build(stage.site.folder)
    ports = {DIRECT: stage.site.backend_port}
    for running in stage.proxies(loads.LOADS[0]):
        if _is_meant(running.peer.name, names):
            ports[running.peer.name] = running.peer.http_port
    taken: dict[str, list[Latency]] = {name: [] for name in ports}
    times = (plan.seconds, plan.warm)
    for number in range(plan.rounds):
        for name, port in ports.items():
            one = latency.take_latency(client, port, rate, times, stage.load_core)
            taken[name].append(one)
            place = f"{number + 1}/{plan.rounds} latency {name}"
            print(f"{place}: p50 {one.p50 / 1000:.0f}, p99 {one.p99 / 1000:.0f}", flush=True)
    return taken
