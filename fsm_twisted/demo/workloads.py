"""
What a node is asked to run: Deployments and Services, read from their manifests.

Pure; the field names are those of ``apps/v1`` Deployment and ``v1`` Service.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from fsm_twisted.demo.applications import Application, UnknownApplication, application_of
from fsm_twisted.demo.document import (
    Body,
    Document,
    number,
    section,
    sections,
    strings,
    text,
    texts,
)

# Letters and digits of generated Kubernetes names: no vowels, so no words
# (k8s.io/apimachinery/pkg/util/rand).
ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH: Final = 10


@attrs.frozen
class Workload:
    """
    A Deployment of one of the sample applications.

    ``revision`` changes with the pod template and with the Deployment's uid, so pods of an
    equal revision need no replacement. ``secret`` is the Secret that is mounted, if any.
    """

    namespace: str
    name: str
    revision: str
    replicas: int
    labels: Mapping[str, str]
    application: Application
    port_names: Mapping[str, int]
    secret: str = ""


@attrs.frozen
class Route:
    """A Service port: its name and where it leads, a port of the pods or the name of one."""

    name: str
    target: int | str


@attrs.frozen
class Selection:
    """A Service with a selector: which pods it means, and by which ports."""

    namespace: str
    name: str
    selector: Mapping[str, str]
    routes: tuple[Route, ...]

    def covers(self, workload: Workload) -> bool:
        """Tell whether pods of *workload* belong to this Service."""
        same_place = workload.namespace == self.namespace
        return same_place and self.selector.items() <= workload.labels.items()


def workload_from(document: Document) -> Workload:
    """
    Return what a Deployment asks for.

    Raises:
        UnknownApplication: Its first container is not one of the sample applications.
    """
    template = section(document.body, "spec", "template")
    containers = sections(template, "spec", "containers")
    if not containers:
        raise UnknownApplication("it has no containers")
    first = containers[0]
    wanted = number(document.body, "spec", "replicas")
    return Workload(
        namespace=document.namespace,
        name=document.name,
        revision=_revision(text(document.body, "metadata", "uid"), template),
        replicas=1 if wanted is None else max(0, wanted),
        labels=strings(template, "metadata", "labels"),
        application=application_of(text(first, "image"), texts(first, "command")),
        port_names=_port_names(first),
        secret=_mounted_secret(template, first),
    )


def selection_from(document: Document) -> Selection | None:
    """Return which pods a Service means, ``None`` for one without a selector."""
    selector = strings(document.body, "spec", "selector")
    if not selector:
        return None
    routes = tuple(_route(port) for port in sections(document.body, "spec", "ports"))
    return Selection(document.namespace, document.name, selector, routes)


def secret_files(document: Document) -> Mapping[str, bytes]:
    """Return what a mounted Secret shows as files: ``data`` decoded, ``stringData`` over it."""
    files = {}
    for key, value in strings(document.body, "data").items():
        files[key] = base64.b64decode(value)
    for key, value in strings(document.body, "stringData").items():
        files[key] = value.encode()
    return files


def of_kind(documents: Iterable[Document], kind: str) -> tuple[Document, ...]:
    """Return the objects of one kind."""
    return tuple(d for d in documents if d.kind.name == kind)


def short_hash(content: str, length: int = _HASH_LENGTH) -> str:
    """Return *length* letters that stand for *content*."""
    whole = int.from_bytes(hashlib.sha256(content.encode()).digest())
    letters = []
    for _ in range(length):
        whole, index = divmod(whole, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)


def _revision(uid: str, template: Body) -> str:
    return short_hash(uid + json.dumps(template, sort_keys=True, default=str))


def _route(port: Body) -> Route:
    own = number(port, "port") or 0
    target = number(port, "targetPort") or text(port, "targetPort") or own
    return Route(text(port, "name"), target)


def _port_names(container: Body) -> Mapping[str, int]:
    ports = sections(container, "ports")
    return {text(p, "name"): number(p, "containerPort") or 0 for p in ports if text(p, "name")}


def _mounted_secret(template: Body, container: Body) -> str:
    mounted = {text(mount, "name") for mount in sections(container, "volumeMounts")}
    for volume in sections(template, "spec", "volumes"):
        if text(volume, "name") in mounted and (secret := text(volume, "secret", "secretName")):
            return secret
    return ""
