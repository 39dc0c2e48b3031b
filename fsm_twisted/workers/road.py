"""The data road of one process: listeners, TLS, the data plane, and their common end."""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from fsm_twisted.net.addresses import ListenAddress
from fsm_twisted.net.listener import Listener
from fsm_twisted.net.sweep import Sweep
from fsm_twisted.net.tls import HTTP1, HTTP2, Certificates
from fsm_twisted.observe.live import Endpoints, WorkerFacts, added
from fsm_twisted.observe.report import Number, Report
from fsm_twisted.proxy.entrance import Entrance
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.record import Recorder, Take
from fsm_twisted.proxy.telemetry import facts_of, reports_of
from fsm_twisted.proxy.tracing import SpanRecorder, Tracer
from fsm_twisted.snapshot.model import CertificateEntry, Snapshot
from fsm_twisted.workers.request_ids import request_ids
from fsm_twisted.workers.usage import usage_of

_log = Logger()


@attrs.frozen
class Front:
    """
    A bound socket, and whether TLS is spoken on it.

    ``worker`` is the one that accepts on it, 0 for all. Those of one address belong together.
    """

    address: ListenAddress
    is_secure: bool
    sock: socket.socket = attrs.field(eq=False)
    worker: int = 0


@attrs.frozen(eq=False)
class TlsFronts:
    """
    The TLS side of all fronts: a long-lived context for each address, certificates under them.

    Processes that are forked after this was made share the keys of session tickets (D3b).
    """

    certificates: Certificates
    contexts: Mapping[ListenAddress, SSL.Context]


def make_tls(
    default: CertificateEntry | None, fronts: Sequence[Front], options: ProxyOptions
) -> TlsFronts | None:
    """Make the contexts of those *fronts* that speak TLS; None when none does."""
    secure = {front.address for front in fronts if front.is_secure}
    if default is None or not secure:
        return None
    certificates = Certificates(default, HTTP2 if options.http2 else HTTP1, options.tls)
    return TlsFronts(certificates, {each: certificates.front_context() for each in secure})


class DataRoad:
    """
    Serves the newest snapshot on the fronts, from the first snapshot on.

    Args:
        reactor: The one that runs.
        options: The proxy's.
        fronts: Their sockets close with the listeners.
        tls: From `make_tls` for the same fronts.
        is_ahead: Told how many connections there are, tells whether another process should have
            the next one; None when there is no other.
        number: Of this worker: it accepts on the fronts of all, and on its own.
    """

    def __init__(
        self,
        reactor: Any,
        options: ProxyOptions,
        fronts: Sequence[Front],
        tls: TlsFronts | None,
        is_ahead: Callable[[int], bool] | None = None,
        number: int = 0,
    ) -> None:
        self._reactor = reactor
        self._options = options
        self._fronts = fronts
        self._tls = tls
        self._is_ahead = is_ahead
        self._accepts_for = frozenset({0, number})
        self._listeners: dict[Front, Listener] = {}
        self._is_listening = False
        self._take: Take | None = None
        self._spans: SpanRecorder | None = None
        self._begun = time.monotonic()
        self._sweep = Sweep(reactor, time.monotonic)
        self.plane = DataPlane(
            reactor,
            self._sweep,
            options,
            draw=random.SystemRandom().randrange,
            wall_seconds=time.time,
            request_ids=request_ids(secrets.token_hex(8).encode("ascii"), secrets.randbits(56)),
        )

    def start(self) -> None:
        """Keep deadlines; nothing is accepted before the first snapshot."""
        self._sweep.start()

    def publish(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from now on."""
        if self._tls is not None:
            self._tls.certificates.install(snapshot.certificates)
        self.plane.activate(snapshot)
        if self._tls is not None:
            clients_of = self.plane.runtime.active.clients_of
            self._tls.certificates.verify(snapshot.clients, clients_of)
        if not self._is_listening and not self.plane.is_draining:
            self._is_listening = True
            self._listen()
            if self._is_ahead is not None:
                self._tell_connections(0.0)  # so that others leave us our part from now on
                self._sweep.every_second(self._tell_connections)

    def accept_for(self, workers: Iterable[int]) -> None:
        """Accept on the own fronts of these *workers* and no others, and on those of all."""
        self._accepts_for = frozenset({0, *workers})
        if self._is_listening and not self.plane.is_draining:
            self._listen()

    def _listen(self) -> None:
        for front in self._fronts:
            if front.worker not in self._accepts_for:
                if front in self._listeners:
                    self._listeners.pop(front).leave()
            elif front not in self._listeners:
                self._listeners[front] = listener = self._listener(front)
                listener.start()

    def _listener(self, front: Front) -> Listener:
        contexts = self._tls.contexts if self._tls is not None else {}
        entrance = Entrance(self.plane, contexts[front.address] if front.is_secure else None)
        # What waits on a worker's own socket waits for no other one.
        yields = self._yields if self._is_ahead is not None and not front.worker else None
        release = self.plane.release_descriptor
        return Listener(self._reactor, front.sock, entrance.accept, release, yields=yields)

    def _yields(self) -> bool:
        return self._is_ahead is not None and self._is_ahead(self.plane.places.taken)

    def _tell_connections(self, _: float) -> None:
        self._yields()

    def record(self, take: Take, take_spans: Take) -> None:
        """
        Tell of requests: always when there is an access log, else while somebody looks.

        Args:
            take: Takes a batch of records.
            take_spans: Takes a batch of those that are sampled.
        """
        self._take = take
        plane, share = self.plane, self._options.trace_share
        if share is not None:
            plane.tracer = Tracer(share, random.random, random.getrandbits)
            later = self._reactor.callLater
            self._spans = SpanRecorder(plane.seconds, time.time, take_spans, later)
        share = self._options.access_share
        self._tell(None if share is None else self._recorder(take, share))

    def show_requests(self, *, to_people: bool) -> None:
        """Tell of requests from now on, or no longer; an access log is told all the time."""
        if self._take is None or self._options.access_share is not None:
            return
        self._flush()
        self._tell(self._recorder(self._take, 1) if to_people else None)

    def _tell(self, log: Recorder | None) -> None:
        """Tell *log* of requests, if there is one, and whoever wants spans of those sampled."""
        if self._spans is None:
            self.plane.record(log)
        else:
            self._spans.log = log
            self.plane.record(self._spans)

    def _recorder(self, take: Take, share: float) -> Recorder:
        chosen = None if share >= 1 else partial(_is_drawn, share)
        later, options = self._reactor.callLater, self._options
        seconds, tells_bodies = self.plane.seconds, options.access_bodies
        return Recorder(seconds, time.time, take, later, chosen, tells_bodies=tells_bodies)

    def _flush(self) -> None:
        if self.plane.access is not None:
            self.plane.access.flush()

    def report(self) -> Deferred[Report]:
        """
        Copy what has been counted, a piece a turn.

        Returns:
            Fires with the report, never before this method returns; does not fail.
        """
        return Deferred.fromCoroutine(self._report())

    async def _report(self) -> Report:
        total = Report()
        for piece in reports_of(self.plane):
            await deferLater(self._reactor, 0)
            total = total.plus(piece)
        return total

    def look(self) -> Deferred[Endpoints]:
        """
        Look at the endpoints.

        Returns:
            Fires at once with what there is to say of them; does not fail.
        """
        return succeed(added(facts_of(self.plane)))

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the processes that serve: it is this one."""
        pid, usage = os.getpid(), usage_of(os.getpid())
        age = time.monotonic() - self._begun
        facts = WorkerFacts(0, pid, self.plane.runtime.active.snapshot.generation, age)
        return (facts if usage is None else attrs.evolve(facts, **attrs.asdict(usage)),)

    def series(self) -> Mapping[str, Number]:
        """Return what is known of the processes that serve: it is this one."""
        return {"workers": 1, "workers_wanted": 1}

    def missing(self) -> str:
        """Say what is missing until the newest snapshot is served; ``""`` when nothing is."""
        return ""

    def when_served(self, generation: int) -> Deferred[None]:
        """Fire at once: what has been published is served."""
        return succeed(None)

    def announce_end(self) -> None:
        """Let each answer be the last of its connection; new ones are still accepted."""
        self.plane.answers_are_last = True

    def drain(self, drained: Callable[[], None]) -> None:
        """Accept no more, finish what runs; *drained* is called when nothing is left."""
        for listener in self._listeners.values():
            listener.stop()
        for front in self._fronts:
            front.sock.close()

        def finished() -> None:
            self._flush()
            drained()

        self.plane.drain(finished)

    def cut(self) -> None:
        """Abort what is still under way."""
        _log.warn("drain timeout: {n} connections cut", n=len(self.plane.connections))
        self.plane.cut()
        self._flush()

    def stop(self) -> Deferred[None]:
        """End; connections end with the process, so nothing is waited for."""
        self._sweep.stop()
        self._flush()
        return succeed(None)


def _is_drawn(share: float) -> bool:
    return random.random() < share  # noqa: S311  which requests are logged is no secret
