"""
The stand-in node: runs the folder's Deployments and tells where their pods are.

Scheduler, kubelet and EndpointSlice controller of a cluster of one, for the article's two
sample applications. What it cannot run it says once and passes over.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from fsm_twisted.demo.applications import UnknownApplication
from fsm_twisted.demo.document import Document
from fsm_twisted.demo.folder import FolderReader, remove_document, write_document
from fsm_twisted.demo.pods import Network, NotStartable, Reactor, Running, doors_of
from fsm_twisted.demo.slices import MANAGED_BY, OWNER, slices_for
from fsm_twisted.demo.workloads import (
    ALPHABET,
    Workload,
    of_kind,
    secret_files,
    selection_from,
    workload_from,
)

_POLL_SECONDS: Final = 0.2
_GRACE_SECONDS: Final = 1.0
_SUFFIX_LENGTH: Final = 5

Key = tuple[str, str]


class NodeReactor(Reactor, IReactorTime):
    """What a node needs of a reactor: to listen, and a clock."""


@attrs.define
class Pod:
    """A pod, running or waiting to."""

    name: str
    workload: Workload
    running: Running | None = None

    def __str__(self) -> str:
        """Return its namespace and name."""
        return f"{self.workload.namespace}/{self.name}"


class Node:
    """
    Follows a folder: a pod for each replica, an EndpointSlice for each Service.

    A change of a pod template rolls: the new pods run and are announced before the old ones
    are taken out of the slice, and these serve on for a moment.
    """

    def __init__(self, reactor: NodeReactor, folder: Path, say: Callable[[str], None]) -> None:
        self._clock: IReactorTime = reactor
        self._folder = folder
        self._say = say
        self._network = Network(reactor)
        self._reader = FolderReader(folder, say)
        self._pods: dict[Key, tuple[Pod, ...]] = {}
        self._ending: dict[IDelayedCall, Running] = {}
        self._told: dict[str, str] = {}
        self._poll = LoopingCall(self._follow)
        self._poll.clock = reactor
        # Names need to differ, not to be unguessable.
        self._draw = random.Random()  # noqa: S311

    def run(self) -> Deferred[LoopingCall]:
        """
        Follow the folder from now on; pods of what is there run when this returns.

        Fires after `stop`; fails when the folder cannot be written any more.
        """
        return self._poll.start(_POLL_SECONDS)

    def stop(self) -> None:
        """End all pods and take their EndpointSlices away."""
        if self._poll.running:
            self._poll.stop()
        self._reader.refresh()  # to see the slices that were written last
        self._withdraw(self._reader.documents(), ())
        for pod in [pod for pods in self._pods.values() for pod in pods]:
            if pod.running is not None:
                self._end(pod.running)
        for call, running in tuple(self._ending.items()):
            call.cancel()
            self._end(running)
        self._pods.clear()
        self._ending.clear()

    def _follow(self) -> None:
        if not self._reader.refresh():
            return
        documents = self._reader.documents()
        workloads = self._workloads(documents)
        secrets = {(d.namespace, d.name): secret_files(d) for d in of_kind(documents, "Secret")}
        for key in sorted(self._pods.keys() | workloads.keys()):
            self._roll(key, workloads.get(key), secrets)
        self._publish(documents)

    def _workloads(self, documents: tuple[Document, ...]) -> dict[Key, Workload]:
        found = {}
        for document in of_kind(documents, "Deployment"):
            key = (document.namespace, document.name)
            try:
                found[key] = workload_from(document)
            except UnknownApplication as error:
                self._tell(f"Deployment {'/'.join(key)}", f"is passed over: {error}")
        return found

    def _roll(
        self, key: Key, workload: Workload | None, secrets: Mapping[Key, Mapping[str, bytes]]
    ) -> None:
        before = self._pods.pop(key, ())
        if workload is None:
            self._retire(before)
            return
        current = [pod for pod in before if pod.workload.revision == workload.revision]
        outdated = [pod for pod in before if pod.workload.revision != workload.revision]
        kept = current[: workload.replicas]
        kept += [self._new_pod(workload) for _ in range(workload.replicas - len(kept))]
        for pod in kept:
            if pod.running is None:
                self._try_to_start(pod, secrets.get((workload.namespace, workload.secret)))
        self._retire(current[workload.replicas :])
        if all(pod.running for pod in kept):
            self._retire(outdated)
            outdated = []
        self._pods[key] = (*outdated, *kept)

    def _new_pod(self, workload: Workload) -> Pod:
        suffix = "".join(self._draw.choices(ALPHABET, k=_SUFFIX_LENGTH))
        return Pod(f"{workload.name}-{workload.revision}-{suffix}", workload)

    def _try_to_start(self, pod: Pod, files: Mapping[str, bytes] | None) -> None:
        try:
            doors = doors_of(pod.workload, pod.name, files)
            pod.running = self._network.run(pod.name, pod.workload, doors)
        except NotStartable as error:
            self._tell(f"pod {pod}", f"waits: {error}")
            return
        location = pod.running.location
        places = [f"{location.address}:{port}" for port in location.ports.values()]
        self._tell(f"pod {pod}", f"runs on {' and '.join(places)}")

    def _retire(self, pods: list[Pod] | tuple[Pod, ...]) -> None:
        for pod in pods:
            self._tell(f"pod {pod}", "ends")
            del self._told[f"pod {pod}"]
            if pod.running is not None:
                running = pod.running
                call = self._clock.callLater(_GRACE_SECONDS, self._end_later, running)
                self._ending[call] = running

    def _end_later(self, running: Running) -> None:
        self._ending = {call: r for call, r in self._ending.items() if r is not running}
        self._end(running)

    def _end(self, running: Running) -> None:
        running.stop()
        self._network.release(running)

    def _publish(self, documents: tuple[Document, ...]) -> None:
        services = of_kind(documents, "Service")
        selections = [s for s in map(selection_from, services) if s is not None]
        pods = [pod for pods in self._pods.values() for pod in pods]
        wanted = slices_for(selections, [p.running.location for p in pods if p.running])
        present = {document.key: document for document in documents}
        for document in wanted:
            if present.get(document.key) != document:
                write_document(self._folder, document)
        self._withdraw(documents, wanted)

    def _withdraw(self, documents: tuple[Document, ...], wanted: tuple[Document, ...]) -> None:
        keys = {document.key for document in wanted}
        for document in of_kind(documents, "EndpointSlice"):
            if document.labels.get(MANAGED_BY) == OWNER and document.key not in keys:
                remove_document(self._folder, document)

    def _tell(self, subject: str, news: str) -> None:
        if self._told.get(subject) != news:
            self._told[subject] = news
            self._say(f"{subject} {news}")
