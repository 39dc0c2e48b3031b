"""
A worker: the data road of one process, which obeys its channel to the master.

It is forked by the nursery, so everything it needs is imported before there is a reactor; it
installs its own. It holds no credentials and knows neither sources nor compiler.
"""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger, globalLogBeginner

from fsm_twisted.net.reactor import install
from fsm_twisted.snapshot import wire
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.workers.channel import SNAPSHOT_LIMIT_BYTES, Channel, Kind
from fsm_twisted.workers.counts import Teller
from fsm_twisted.workers.log_events import Forwarder
from fsm_twisted.workers.looks import Shower
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.road import DataRoad, Front, TlsFronts

_log = Logger()


class Worker:
    """
    Applies snapshots, acknowledges them, drains; ends when the master is gone.

    Args:
        reactor: This process's own.
        sock: The channel to the master.
        road: What serves.
        log_level: The least level that travels to the master.
    """

    def __init__(self, reactor: Any, sock: socket.socket, road: DataRoad, log_level: str) -> None:
        self._reactor = reactor
        self._road = road
        self._snapshot: Snapshot | None = None
        self._has_ended = False
        self.channel = Channel(reactor, sock, self._received, self._ended, SNAPSHOT_LIMIT_BYTES)
        road.record(
            lambda batch: self.channel.offer(Kind.RECORDS, batch),
            lambda batch: self.channel.offer(Kind.SPANS, batch),
        )
        self._teller = Teller(reactor, self.channel, road.plane)
        self._shower = Shower(reactor, self.channel, road.plane)
        forwarder = Forwarder(log_level, lambda data: self.channel.offer(Kind.LOG, data))
        globalLogBeginner.beginLoggingTo([forwarder], discardBuffer=True, redirectStandardIO=False)

    def start(self) -> None:
        """Say that this worker runs; the first snapshot opens its listeners."""
        self._road.start()
        self.channel.send(Kind.READY)

    def _received(self, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.SNAPSHOT:
                self._apply(payload)
            case Kind.LAST_ANSWERS:
                self._road.announce_end()
            case Kind.DRAIN:
                self._road.drain(self.channel.finish)
            case Kind.FRONTS:
                self._road.accept_for(map(int, payload.split()))
            case Kind.COUNT:
                self._teller.ask(payload)
            case Kind.SHOW:
                self._shower.ask(payload)
            case Kind.RECORD:
                self._road.show_requests(to_people=payload == b"1")
            case Kind.CUT:
                self._road.cut()
                self.channel.finish()
            case _:
                _log.error("{kind} is no message for a worker", kind=kind.name)

    def _apply(self, payload: bytes) -> None:
        is_first = self._snapshot is None
        # A message that cannot be read ends this worker: the next one gets a whole snapshot.
        snapshot = wire.apply(self._snapshot, payload)
        self._road.publish(snapshot)
        self._snapshot = snapshot
        served = b"%d %.6f" % (snapshot.generation, time.monotonic())
        self.channel.send(Kind.ACKNOWLEDGED, served)
        if is_first:
            gc.collect()
            gc.freeze()

    def _ended(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._road.plane.cut()
            self._reactor.callWhenRunning(self._reactor.stop)


def run(
    sock: socket.socket,
    plan: Plan,
    fronts: Sequence[Front],
    tls: TlsFronts | None,
    is_ahead: Callable[[int], bool] | None,
    number: int,
) -> None:
    """
    Be a worker until the master says otherwise.

    Args:
        sock: The channel to the master.
        plan: As the nursery got it.
        fronts: Inherited; this process closes its own.
        tls: Made before the fork, so that all workers share ticket keys.
        is_ahead: See `DataRoad`.
        number: This worker's, from 1 on.
    """
    install()
    from twisted.internet import reactor as made  # noqa: PLC0415, TID251  this process's own

    reactor: Any = made

    # The hot path makes no cycles.
    gc.set_threshold(50_000, 20, 20)
    sock.setblocking(False)  # noqa: FBT003
    road = DataRoad(reactor, plan.options, fronts, tls, is_ahead, number)
    Worker(reactor, sock, road, plan.log_level).start()
    # Signals are the nursery's choice, made before the fork.
    reactor.run(installSignalHandlers=False)
