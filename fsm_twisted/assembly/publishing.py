"""What replicas owe the cluster together: a leader, and the status that it writes."""

from __future__ import annotations

import hashlib
import random
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from fsm_twisted.assembly.duties import Duties, Duty
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.addresses import address_of, in_order
from fsm_twisted.control.controller import Outcome
from fsm_twisted.control.leader import Election, Leader
from fsm_twisted.control.own_service import OwnService
from fsm_twisted.control.served import Served
from fsm_twisted.control.service_lb import ServiceLB
from fsm_twisted.control.status import StatusWriter
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number
from fsm_twisted.settings import Settings
from fsm_twisted.sources.cluster.origins import ACCOUNT_FOLDER
from fsm_twisted.sources.cluster.source import ClusterSource

_MANAGER: Final = "fsm-ingress"
_LONGEST_MANAGER: Final = 128


class Publishing:
    """
    The election, and the status of Ingresses and of our Service, as one duty.

    Args:
        settings: What the operator wants.
        source: The cluster that is followed.
        reactor: The one that runs.
        environ: Tells the pod's name and namespace.
        when_served: Fires when every process serves a generation.
    """

    def __init__(
        self,
        settings: Settings,
        source: ClusterSource,
        reactor: Any,
        environ: Mapping[str, str],
        when_served: Callable[[int], Deferred[None]],
    ) -> None:
        self._settings = settings
        self._source = source
        self._reactor = reactor
        self._duties: list[Duty] = []
        self._all = Duties()
        has_status = bool(settings.publish_service or settings.publish_status_address)
        self._leader: Leader | None = None
        if has_status if settings.election is None else settings.election:
            self._leader = self._make_leader(environ)
        self._writer: StatusWriter | None = None
        self._service_lb: ServiceLB | None = None
        self._served = Served(when_served, self._tell_served)
        if has_status:
            self._writer = self._make_writer()

    def is_leader(self) -> bool:
        """Return whether this replica writes; without an election every one does."""
        return self._leader is None or self._leader.is_leader

    def observe(self, outcome: Outcome) -> None:
        """Learn what a compilation came to."""
        if self._writer is not None:
            self._served.compiled(outcome)

    def start(self) -> None:
        """Stand for election, and write when elected."""
        if self._writer is not None:
            self._source.observe_status(self._writer.see)
            if self._leader is None:
                self._writer.lead(is_leader=True)
        self._all = Duties((*self._duties, self._leader) if self._leader else self._duties)
        self._all.start()

    def resign(self) -> None:
        """Let another replica lead, for this one is about to end; its status stays."""
        if self._leader is not None:
            self._leader.resign()

    def stop(self) -> Deferred[None]:
        """End; what is written stays."""
        self._served.stop()
        if self._writer is not None:
            self._writer.stop()
        return self._all.stop()

    def counts(self) -> Mapping[str, Number]:
        """Return what has been done, by series."""
        found: dict[str, Number] = {"leader": int(self.is_leader())}
        if self._writer is not None:
            found["status_waiting"] = self._writer.behind
            for result, number in self._writer.counts.items():
                further = self._service_lb.counts[result] if self._service_lb is not None else 0
                found[series("status_writes_total", result=result)] = number + further
        return found

    def _tell_served(self, outcome: Outcome) -> None:
        if self._writer is not None:
            self._writer.serve(outcome)

    def _make_leader(self, environ: Mapping[str, str]) -> Leader:
        settings = self._settings
        namespace = settings.election_namespace or own_namespace(environ)
        election = Election(namespace, settings.election_id, own_identity(environ))
        return Leader(
            election,
            self._source.api,
            clock=self._reactor,
            monotonic=time.monotonic,
            draw=random.random,
        )

    def _make_writer(self) -> StatusWriter:
        settings = self._settings
        writer = StatusWriter(
            self._source.api,
            field_manager(settings),
            clock=self._reactor,
            draw=random.random,
            is_leader=self.is_leader,
        )
        if self._leader is not None:
            self._leader.observe(writer.lead)
        writer.publish(in_order(map(address_of, settings.publish_status_address)))
        if settings.publish_service is not None:
            self._follow_service(writer, *settings.publish_service)
        return writer

    def _follow_service(self, writer: StatusWriter, namespace: str, name: str) -> None:
        service = OwnService(
            ObjectRef("Service", namespace, name),
            self._source.api,
            clock=self._reactor,
            draw=random.random,
            publish=writer.publish,
        )
        self._duties.append(service)
        if not self._settings.service_lb:
            return
        self._service_lb = ServiceLB(
            service,
            self._source.api,
            field_manager(self._settings),
            clock=self._reactor,
            draw=random.random,
            is_leader=self.is_leader,
        )
        if self._leader is not None:
            self._leader.observe(self._service_lb.lead)
        self._duties.append(self._service_lb)


def own_namespace(environ: Mapping[str, str], account_folder: Path = ACCOUNT_FOLDER) -> str:
    """Return the namespace of our pod, ``default`` outside of one."""
    if namespace := environ.get("POD_NAMESPACE", "").strip():
        return namespace
    try:
        return (account_folder / "namespace").read_text().strip() or "default"
    except (OSError, ValueError):
        return "default"


def pod_name(environ: Mapping[str, str]) -> str:
    """Return the name of our pod, of the machine outside of one."""
    return environ.get("POD_NAME") or socket.gethostname()


def own_identity(environ: Mapping[str, str]) -> str:
    """Return a name that no other process has, and by which people know us."""
    return f"{pod_name(environ)}_{secrets.token_hex(4)}"


def field_manager(settings: Settings) -> str:
    """
    Return the name under which we own fields of a status.

    Installations that serve different Ingresses of one cluster have different ones: each takes
    away what is its own from Ingresses that it does not serve.
    """
    usual = CompilerOptions()
    ours = (settings.controller_name, settings.ingress_class)
    if ours == (usual.controller_name, usual.ingress_class):
        return _MANAGER
    name = f"{_MANAGER}:{':'.join(ours)}"
    if len(name) <= _LONGEST_MANAGER:
        return name
    return f"{_MANAGER}:{hashlib.sha256(name.encode()).hexdigest()}"
