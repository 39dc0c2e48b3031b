"""Settings to a running program: everything is wired here, and only here."""

from __future__ import annotations

import gc
import os
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from twisted.application.service import IServiceCollection, MultiService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger

from fsm_twisted.admin.health import admin_site
from fsm_twisted.admin.metrics import Metrics
from fsm_twisted.compiler.certificates import (
    CertificateFault,
    parse_certificate,
    self_signed,
)
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.access_log import AccessLog, LineWriter
from fsm_twisted.control.controller import Controller
from fsm_twisted.http1.grammar import HeadLimits
from fsm_twisted.net.addresses import BindError, bind, bound_address
from fsm_twisted.observe.access_format import make_line, make_redaction
from fsm_twisted.observe.report import Number, Report
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.settings import Settings
from fsm_twisted.snapshot.model import CertificateEntry, Snapshot
from fsm_twisted.sources.choose import NoSource, Source, SourceOptions, choose_source
from fsm_twisted.sources.contents import SourceError
from fsm_twisted.workers.channel import Kind
from fsm_twisted.workers.cpus import usable_cpus
from fsm_twisted.workers.parent import Fleet
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.post import Receivers
from fsm_twisted.workers.road import DataRoad, Front, make_tls

_log = Logger()

_SHORTEST_KEY_BYTES = 16
# Certificates expire without any object changing.
RECOMPILE_SECONDS = 3600.0


class StartError(Exception):
    """Something that the program cannot start without; the text is one line for the operator."""


class UsageError(StartError):
    """The command line and its surroundings ask for something that is not there."""


class Serving(Protocol):
    """The data road, in this process or in workers."""

    def start(self) -> None:
        """Get ready; nothing is accepted before the first snapshot."""

    def publish(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from now on."""

    @property
    def serving(self) -> int:
        """How many processes serve a snapshot."""

    def report(self) -> Deferred[Report]:
        """Add up what has been counted; fires soon, and does not fail."""

    def missing(self) -> str:
        """Say what is missing until everybody serves a snapshot; ``""`` when nothing is."""

    def drain(self, drained: Callable[[], None]) -> None:
        """Accept no more, finish what runs; *drained* is called when nothing is left."""

    def cut(self) -> None:
        """Abort what is still under way."""

    def stop(self) -> Deferred[None]:
        """End at once; fires when nothing is left, and never fails."""


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
        self._fronts: list[Front] = []
        self._admin: socket.socket
        self._ending = False
        self._stopped = False
        self._not_ready = "starting"
        self._options = proxy_options(settings)
        self._default_certificate: CertificateEntry | None = None
        self._serving: Serving
        self._access: AccessLog | None = None
        compiler = CompilerOptions(
            controller_name=settings.controller_name, ingress_class=settings.ingress_class
        )
        self._controller = Controller(compiler, self._publish, now=lambda: datetime.now(UTC))
        self._recompiling = LoopingCall(self._controller.recompile)
        self._recompiling.clock = reactor
        self._source = self._make_source(compiler.annotation_prefix)

    def _make_source(self, annotation_prefix: str) -> Source:
        settings, tell = self._settings, self._controller.contents_changed
        options = SourceOptions(
            settings.manifests, settings.kubeconfig, settings.context, settings.watch_namespace
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
                    sock = bind(address)
                    self._fronts.append(Front(bound_address(address, sock), is_secure, sock))
            self._admin = bind(settings.admin)
            if settings.https:
                self._default_certificate = default_certificate(settings)
        except (BindError, StartError) as error:
            self._give_up(str(error))
        super().privilegedStartService()

    def startService(self) -> None:
        """Compile the first snapshot, then accept."""
        super().startService()
        raise_descriptor_limit()
        try:
            self._access = access_log(self._settings)
        except StartError as error:
            self._give_up(str(error))
        if self._access is not None:
            self._access.writer.start()
            self._follow_rotation(self._access.writer)
        self._serving = self._make_serving()
        self._serving.start()
        try:
            self._source.check()
            self._source.start()
        except SourceError as error:
            self._give_up(f"{'--manifests: ' * bool(self._settings.manifests)}{error}")
        # Whoever reads the ready lines may signal at once; the reactor installs its own when it
        # begins to run.
        self._take_signals()
        self._reactor.callWhenRunning(self._take_signals)
        for front in self._fronts:
            kind = "https" if front.is_secure else "http"
            _log.info("listening: {kind} on {address}", kind=kind, address=str(front.address))
        self._listen_admin()
        self._recompiling.start(RECOMPILE_SECONDS, now=False)
        self._not_ready = ""
        # What lives now lives for ever; the hot path makes no cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)

    def _make_serving(self) -> Serving:
        settings, fronts, default = self._settings, self._fronts, self._default_certificate
        access = self._access
        workers = usable_cpus() if settings.workers is None else settings.workers
        if not workers:
            road = DataRoad(self._reactor, self._options, fronts, make_tls(default, fronts))
            if access is not None:
                road.record(access.take)
            return road
        level = settings.log_level.value
        plan = Plan.for_workers(workers, self._options, fronts, default, level)
        receivers: Receivers = {}
        if access is not None:
            receivers = {Kind.RECORDS: lambda _, batch: access.take(batch)}
        return Fleet(self._reactor, workers, plan, fronts, receivers)

    def _listen_admin(self) -> None:
        sock = self._admin
        address = bound_address(self._settings.admin, sock)
        serving, source = self._serving, self._source
        metrics = Metrics(self._reactor, serving.report, self._controller, self._own_series)
        site = admin_site(
            lambda: self._not_ready or source.missing() or serving.missing(), metrics
        )
        self._reactor.adoptStreamPort(sock.fileno(), sock.family, site)
        sock.close()
        _log.info("listening: admin on {address}", address=str(address))

    def _own_series(self) -> Mapping[str, Number]:
        access = self._access
        counts = access.counts() if access is not None else {}
        return {"workers": self._serving.serving, **counts}

    def _publish(self, snapshot: Snapshot) -> None:
        self._serving.publish(snapshot)

    # The end, as design decision D11 has it.

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def _follow_rotation(self, writer: LineWriter) -> None:
        before = signal.getsignal(signal.SIGUSR1)  # the program's own log may follow it, too

        def rotated(number: int, frame: FrameType | None) -> None:
            self._reactor.callFromThread(writer.reopen)
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGUSR1, rotated)

    def _signalled(self, number: int, _: object) -> None:
        self._reactor.callFromThread(self._asked_to_stop, signal.Signals(number).name)

    def _asked_to_stop(self, name: str) -> None:
        if self._ending:
            _log.warn("{name} again: stopping at once", name=name)
            self._stop_reactor()
            return
        self._ending = True
        self._not_ready = "draining"
        _log.info("{name}: draining", name=name)
        self._reactor.callLater(self._settings.drain_delay, self._drain)

    def _drain(self) -> None:
        self._reactor.callLater(self._settings.drain_timeout, self._cut)
        self._serving.drain(self._stop_reactor)

    def _cut(self) -> None:
        if self._stopped:
            return
        self._serving.cut()
        self._stop_reactor()

    def _stop_reactor(self) -> None:
        # The last connection may end in the same turn as the drain's time.
        if not self._stopped:
            self._stopped = True
            self._reactor.stop()

    def stopService(self) -> Any:
        """Stop following changes; connections end with the process."""
        source: Deferred[Any] = maybeDeferred(self._source.stop)
        if self._recompiling.running:
            self._recompiling.stop()
        ending = gatherResults([source, self._serving.stop(), maybeDeferred(super().stopService)])
        return ending.addBoth(self._ended)

    def _ended(self, result: object) -> object:
        """Write what the last requests have left behind."""
        if self._access is not None:
            self._access.writer.close()
        return result


def assemble(
    settings: Settings,
    reactor: Any,
    give_up: Callable[[str], NoReturn],
    log_observer: ILogObserver | None = None,
) -> IngressService:
    """Build the program, see `IngressService`; nothing is opened before it is started."""
    return IngressService(settings, reactor, give_up, log_observer)


def proxy_options(settings: Settings) -> ProxyOptions:
    """Choose what the proxy needs of the settings."""
    return ProxyOptions(
        limits=HeadLimits(
            settings.request_line_limit, settings.head_limit, settings.head_fields_limit
        ),
        body_limit_bytes=settings.body_limit or None,
        header_seconds=settings.header_timeout,
        body_seconds=settings.body_timeout,
        idle_seconds=settings.idle_timeout,
        connect_seconds=settings.connect_timeout,
        upstream_seconds=settings.upstream_timeout,
        tunnel_seconds=settings.tunnel_timeout,
        plain_http=settings.plain_http_on_tls_hosts if settings.https else PlainHttp.SERVE,
        https_redirect_port=settings.https_redirect_port,
        trusted_proxies=settings.trusted_proxies,
        proxy_protocol=settings.proxy_protocol,
        max_connections=settings.max_connections,
        max_connections_per_client=settings.max_connections_per_client,
        access_share=settings.access_log_sample if settings.access_log is not None else None,
        affinity_key=_affinity_key(settings),
    )


def access_log(settings: Settings) -> AccessLog | None:
    """
    Open the access log, if there is to be one.

    Raises:
        StartError: The file cannot be opened.
    """
    if settings.access_log is None:
        return None
    try:
        writer = LineWriter(settings.access_log)
    except OSError as error:
        msg = f"--access-log: cannot open {settings.access_log}: {error.strerror}"
        raise StartError(msg) from None
    line = make_line(settings.access_log_format)
    return AccessLog(writer, line, make_redaction(settings.access_log_redact))


def _affinity_key(settings: Settings) -> bytes:
    if settings.session_key_file is None:
        return secrets.token_bytes(32)
    key = _read("--session-key-file", settings.session_key_file)
    if len(key) < _SHORTEST_KEY_BYTES:
        msg = f"--session-key-file: {settings.session_key_file} is shorter than 16 bytes"
        raise StartError(msg)
    return key


def default_certificate(settings: Settings) -> CertificateEntry:
    """
    Return the certificate for unknown server names.

    Raises:
        StartError: The files cannot be read or do not fit together.
    """
    if settings.default_tls_cert is None or settings.default_tls_key is None:
        return self_signed(datetime.now(UTC))
    chain = _read("--default-tls-cert", settings.default_tls_cert)
    key = _read("--default-tls-key", settings.default_tls_key)
    parsed = parse_certificate({"tls.crt": chain, "tls.key": key})
    if isinstance(parsed, CertificateFault):
        msg = f"--default-tls-cert, --default-tls-key: {parsed.what}"
        raise StartError(msg)
    return parsed.entry


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{option}: cannot read {path}: {error.strerror}"
        raise StartError(msg) from None


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
