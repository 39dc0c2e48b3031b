"""The program as a Twisted service: its parts, and the order in which they start and stop."""

from __future__ import annotations

import gc
import os
import random
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import IServiceCollection, MultiService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger

from fsm_twisted.admin.documents.overview import ListenerFacts
from fsm_twisted.admin.explain.answer import PublicSide
from fsm_twisted.admin.health import admin_site
from fsm_twisted.admin.metrics import Metrics
from fsm_twisted.assembly.duties import Duties, Duty
from fsm_twisted.assembly.ending import Ending
from fsm_twisted.assembly.errors import StartError, UsageError
from fsm_twisted.assembly.options import (
    access_log,
    default_certificate,
    default_expiry,
    proxy_options,
    span_export,
)
from fsm_twisted.assembly.publishing import Publishing, pod_name
from fsm_twisted.assembly.serving import Serving
from fsm_twisted.assembly.showing import Showing
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.access_log import AccessLog, LineWriter
from fsm_twisted.control.controller import Controller
from fsm_twisted.control.event_queue import EventQueue
from fsm_twisted.control.events import Events
from fsm_twisted.control.notes import Author
from fsm_twisted.net.addresses import (
    BindError,
    ListenAddress,
    bind,
    bind_shared,
    bound_address,
)
from fsm_twisted.observe.report import Number
from fsm_twisted.settings import Settings
from fsm_twisted.snapshot.model import CertificateEntry, Snapshot
from fsm_twisted.sources.choose import NoSource, Source, SourceOptions, choose_source
from fsm_twisted.sources.cluster.source import ClusterSource
from fsm_twisted.sources.contents import SourceError
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.cpus import usable_cpus
from fsm_twisted.workers.parent import Fleet
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.post import Receivers
from fsm_twisted.workers.road import DataRoad, Front, make_tls

if TYPE_CHECKING:
    from fsm_twisted.control.span_export import SpanExport

_log = Logger()

# Certificates expire without any object changing.
RECOMPILE_SECONDS = 3600.0


class IngressService(MultiService):
    """
    The whole program as a Twisted service.

    Sockets are bound while there are privileges; the first snapshot is compiled before anything
    is accepted.

    Args:
        settings: What the operator wants.
        reactor: The one that will run.
        give_up: Called with one line when the program cannot start; does not return.
        log_observer: Where the application's log goes, None where it goes anyway.

    Raises:
        StartError: A file that the settings name cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        give_up: Callable[[str], NoReturn],
        log_observer: ILogObserver | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._reactor = reactor
        self._give_up = give_up
        self._log_observer = log_observer
        self._workers = usable_cpus() if settings.workers is None else settings.workers
        self._fronts: list[Front] = []
        self._admin: socket.socket
        self._ending = Ending(reactor, settings.drain_delay, settings.drain_timeout)
        self._has_started = False
        self._options = proxy_options(settings)
        self._default_certificate: CertificateEntry | None = None
        self._serving: Serving
        self._duties = Duties()
        self._access: AccessLog | None = None
        self._spans: SpanExport | None = None
        self._counting: list[Callable[[], Mapping[str, Number]]] = []
        self._compiler = compiler = CompilerOptions(
            controller_name=settings.controller_name,
            ingress_class=settings.ingress_class,
            allows_foreign_secrets=settings.allow_cross_namespace_secrets,
            passes_tls=settings.ssl_passthrough,
            mtls=settings.mtls,
        )
        self._controller = Controller(compiler, self._publish, now=lambda: datetime.now(UTC))
        self._showing = Showing(settings, self._controller, compiler, reactor)
        self._recompiling = LoopingCall(self._controller.recompile)
        self._recompiling.clock = reactor
        self._source = self._make_source(compiler.annotation_prefix)

    def _make_source(self, annotation_prefix: str) -> Source:
        settings, tell = self._settings, self._controller.contents_changed
        options = SourceOptions(
            settings.manifests,
            settings.kubeconfig,
            settings.context,
            settings.watch_namespace,
            settings.watch_namespace_selector or "",
        )
        try:
            return choose_source(options, self._reactor, os.environ, tell, annotation_prefix)
        except NoSource as error:
            raise UsageError(str(error)) from None

    def setServiceParent(self, parent: IServiceCollection) -> None:  # noqa: N802  Twisted's name
        """Join the application, and say where its log goes."""
        super().setServiceParent(parent)
        if self._log_observer is not None:
            parent.setComponent(ILogObserver, self._log_observer)  # type: ignore[attr-defined]

    # Start

    def privilegedStartService(self) -> None:
        """Bind every address, so that a port in use ends the program before anything runs."""
        settings = self._settings
        try:
            for addresses, is_secure in ((settings.http, False), (settings.https, True)):
                for address in addresses:
                    self._fronts += self._bind(address, is_secure=is_secure)
            self._admin = bind(settings.admin)
            if settings.https:
                self._default_certificate = default_certificate(settings)
                expiry = default_expiry(self._default_certificate)
                self._counting.append(lambda: expiry)
        except (BindError, StartError) as error:
            self._give_up(str(error))
        super().privilegedStartService()

    def _bind(self, address: ListenAddress, *, is_secure: bool) -> Iterator[Front]:
        """Bind *address*: once for all workers, or once for each."""
        if self._settings.reuse_port and self._workers and address.family in {"tcp", "tcp6"}:
            for number, sock in enumerate(bind_shared(address, self._workers), 1):
                yield Front(bound_address(address, sock), is_secure, sock, number)
        else:
            sock = bind(address)
            yield Front(bound_address(address, sock), is_secure, sock)

    def startService(self) -> None:
        """Compile the first snapshot, then accept."""
        super().startService()
        raise_descriptor_limit()
        try:
            self._access = access_log(self._settings)
            self._spans = span_export(self._settings)
        except StartError as error:
            self._give_up(str(error))
        if self._access is not None:
            self._access.writer.start()
            self._counting.append(self._access.counts)
            self._follow_rotation(self._access.writer)
        if self._spans is not None:
            self._spans.start()
            self._counting.append(self._spans.counts)
        self._serving = self._make_serving()
        self._counting.append(self._serving.series)
        self._serving.start()
        try:
            self._source.check()
            self._source.start()
        except SourceError as error:
            self._give_up(f"{'--manifests: ' * bool(self._settings.manifests)}{error}")
        self._duties = Duties(self._owed())
        self._duties.start()
        self._ending.watch(self._serving)
        for each in self._listeners():
            _log.info("listening: {kind} on {address}", kind=each.kind, address=each.address)
        self._listen_admin()
        self._recompiling.start(RECOMPILE_SECONDS, now=False)
        self._has_started = True
        # What lives now lives for ever; the hot path makes no cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)

    def _listeners(self) -> tuple[ListenerFacts, ...]:
        """Return where clients connect; an address with a socket for each worker is one."""
        kinds = {True: "https", False: "http"}
        fronts = (ListenerFacts(kinds[e.is_secure], str(e.address)) for e in self._fronts)
        return tuple(dict.fromkeys(fronts))

    def _follow_rotation(self, writer: LineWriter) -> None:
        before = signal.getsignal(signal.SIGUSR1)  # the program's own log may follow it, too

        def rotated(number: int, frame: FrameType | None) -> None:
            self._reactor.callFromThread(writer.reopen)
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGUSR1, rotated)

    def _make_serving(self) -> Serving:
        settings, fronts, default = self._settings, self._fronts, self._default_certificate
        workers = self._workers
        if not workers:
            road = DataRoad(
                self._reactor, self._options, fronts, make_tls(default, fronts, self._options)
            )
            road.record(self._take_requests, self._take_spans)
            return road
        level = settings.log_level.value
        plan = Plan.for_workers(workers, self._options, fronts, default, level)
        receivers: Receivers = {
            Kind.RECORDS: lambda _, batch: self._take_requests(batch),
            Kind.SPANS: lambda _, batch: self._take_spans(batch),
        }
        return Fleet(self._reactor, workers, plan, fronts, receivers)

    def _take_requests(self, batch: bytes) -> bool:
        """Take a batch of records; raises BatchError."""
        if self._access is not None:
            self._access.take(batch)
        return self._showing.tail.take(batch)

    def _take_spans(self, batch: bytes) -> bool:
        """Take a batch of exchanges that are sampled; raises BatchError."""
        return self._spans is not None and self._spans.take(batch)

    def _owed(self) -> Iterator[Duty]:
        """Yield what the cluster is owed; files are owed nothing."""
        if not isinstance(self._source, ClusterSource):
            return
        self._counting.append(self._source.counts)
        publishing = self._make_publishing(self._source)
        yield publishing
        if self._settings.events:
            events = self._make_events(self._source, publishing.is_leader)
            self._controller.observe(events.observe)
            self._counting.append(events.counts)
            yield events

    def _make_publishing(self, source: ClusterSource) -> Publishing:
        publishing = Publishing(
            self._settings, source, self._reactor, os.environ, self._serving.when_served
        )
        self._controller.observe(publishing.observe)
        self._counting.append(publishing.counts)
        self._ending.when_begun(publishing.resign)
        return publishing

    def _make_events(self, source: ClusterSource, is_leader: Callable[[], bool]) -> Events:
        queue = EventQueue(
            source.api,
            Author(self._settings.controller_name, pod_name(os.environ)),
            clock=self._reactor,
            wall=lambda: datetime.now(UTC),
            draw=random.random,
            is_leader=is_leader,
        )
        return Events(
            queue,
            annotation_prefix=self._compiler.annotation_prefix,
            when_served=self._serving.when_served,
            clock=self._reactor,
            is_leader=is_leader,
        )

    def _listen_admin(self) -> None:
        sock = self._admin
        address = bound_address(self._settings.admin, sock)
        serving, source = self._serving, self._source
        metrics = Metrics(self._reactor, serving.report, self._controller, self._own_series)

        def not_ready() -> str:
            return self._not_ready() or source.missing() or serving.missing()

        side = PublicSide(self._options, self._listeners(), self._default_certificate)
        shown = self._showing.resources(serving, side, not_ready)
        site = admin_site(not_ready, metrics, shown)
        self._reactor.adoptStreamPort(sock.fileno(), sock.family, site)
        sock.close()
        _log.info("listening: admin on {address}", address=str(address))

    def _not_ready(self) -> str:
        if self._ending.has_begun:
            return "draining"
        return "" if self._has_started else "starting"

    def _own_series(self) -> Mapping[str, Number]:
        found: dict[str, Number] = {}
        for counts in self._counting:
            found.update(counts())
        return found

    def _publish(self, snapshot: Snapshot) -> None:
        self._serving.publish(snapshot)

    def stopService(self) -> Any:
        """Stop following changes; connections end with the process."""
        if self._recompiling.running:
            self._recompiling.stop()
        self._showing.stop()
        ending = self._duties.stop().addBoth(lambda _: self._stop_parts())
        return ending.addBoth(self._ended)

    def _stop_parts(self) -> Deferred[Any]:
        source: Deferred[Any] = maybeDeferred(self._source.stop)
        return gatherResults([source, self._serving.stop(), maybeDeferred(super().stopService)])

    def _ended(self, result: object) -> object:
        """Write what the last requests have left behind."""
        if self._access is not None:
            self._access.writer.close()
        if self._spans is not None:
            self._spans.close()
        return result


def assemble(
    settings: Settings,
    reactor: Any,
    give_up: Callable[[str], NoReturn],
    log_observer: ILogObserver | None = None,
) -> IngressService:
    """Build the program, see `IngressService`; nothing is opened before it is started."""
    return IngressService(settings, reactor, give_up, log_observer)


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
