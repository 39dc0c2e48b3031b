"""
Kubernetes objects as their manifests say them, and the kinds that the demo knows.

The stand-ins keep what they are given; only what a table or a pod needs is ever looked into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

Body = Mapping[str, object]

_NOTHING: Final[Body] = MappingProxyType({})
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN_LIMIT: Final = 253


class Misshapen(Exception):
    """A manifest is no Kubernetes object; the message says why."""


class UnknownKind(Misshapen):
    """A manifest is an object of a kind that the demo does not keep."""


@attrs.frozen
class Kind:
    """A kind, with the names that kubectl accepts and prints for it."""

    name: str
    plural: str
    version: str
    short: str = ""
    is_namespaced: bool = True

    @property
    def group(self) -> str:
        """Return the API group, empty for the core one."""
        return self.version.partition("/")[0] if "/" in self.version else ""

    @property
    def singular(self) -> str:
        """Return what kubectl prints before the slash: ``ingress.networking.k8s.io``."""
        return ".".join(filter(None, (self.name.lower(), self.group)))

    @property
    def resource(self) -> str:
        """Return what the API server calls it in errors: ``ingresses.networking.k8s.io``."""
        return ".".join(filter(None, (self.plural, self.group)))

    @property
    def spellings(self) -> frozenset[str]:
        """Return every word that names this kind on a command line."""
        words = {self.name.lower(), self.plural, self.singular, self.resource, self.short}
        return frozenset(words - {""})


KINDS: Final = (
    Kind("Namespace", "namespaces", "v1", "ns", is_namespaced=False),
    Kind("ServiceAccount", "serviceaccounts", "v1", "sa"),
    Kind("Service", "services", "v1", "svc"),
    Kind("Secret", "secrets", "v1"),
    Kind("ConfigMap", "configmaps", "v1", "cm"),
    Kind("Endpoints", "endpoints", "v1", "ep"),
    Kind("Deployment", "deployments", "apps/v1", "deploy"),
    Kind("EndpointSlice", "endpointslices", "discovery.k8s.io/v1"),
    Kind("Ingress", "ingresses", "networking.k8s.io/v1", "ing"),
    Kind("IngressClass", "ingressclasses", "networking.k8s.io/v1", is_namespaced=False),
)


@attrs.frozen
class Document:
    """One object: how to address it, and all that its manifest says, its namespace stated."""

    kind: Kind
    namespace: str
    name: str
    body: Body = attrs.field(repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what makes it one of a kind."""
        return self.kind.name, self.namespace, self.name

    @property
    def labels(self) -> Mapping[str, str]:
        """Return ``metadata.labels``."""
        return strings(self.body, "metadata", "labels")

    def __str__(self) -> str:
        """Return the form of kubectl's messages: ``ingress.networking.k8s.io/web``."""
        return f"{self.kind.singular}/{self.name}"


def kind_named(version: str, name: str) -> Kind:
    """
    Return the kind that a manifest's ``apiVersion`` and ``kind`` mean.

    Raises:
        UnknownKind: The demo keeps no such objects.
    """
    for kind in KINDS:
        if (kind.version, kind.name) == (version, name):
            return kind
    raise UnknownKind(f'no matches for kind "{name}" in version "{version}"')


def document_from(body: object, namespace: str = "default") -> Document:
    """
    Return the object that one YAML document holds.

    Args:
        body: The document as the YAML loader gave it.
        namespace: Where a namespaced object belongs that does not say so itself.

    Raises:
        Misshapen: It is no mapping, lacks ``apiVersion``, ``kind`` or a valid name.
        UnknownKind: It is of a kind that the demo does not keep.
    """
    if not isinstance(body, dict):
        raise Misshapen("a document is no mapping of fields")
    for field in ("apiVersion", "kind"):
        if not text(body, field):
            raise Misshapen(f"{field} not set")
    kind = kind_named(text(body, "apiVersion"), text(body, "kind"))
    name = text(body, "metadata", "name")
    if not is_object_name(name):
        raise Misshapen(
            f'{kind.name} has metadata.name "{name}": a name is of lower case letters, digits, '
            "'-' and '.', and begins and ends with a letter or digit"
        )
    place = (text(body, "metadata", "namespace") or namespace) if kind.is_namespaced else ""
    if kind.is_namespaced and not _DNS_LABEL.fullmatch(place):
        raise Misshapen(f'{kind.name} "{name}" has the impossible namespace "{place}"')
    metadata = dict(section(body, "metadata"))
    if kind.is_namespaced:
        metadata["namespace"] = place
    return Document(kind, place, name, {**body, "metadata": metadata})


def is_object_name(name: str) -> bool:
    """Tell whether *name* is a DNS subdomain of RFC 1123, as object names must be."""
    labels = name.split(".")
    return len(name) <= _DNS_SUBDOMAIN_LIMIT and all(map(_DNS_LABEL.fullmatch, labels))


def value_at(body: Body, *path: str) -> object:
    """Return what stands at *path*, ``None`` when a part of it is missing."""
    found: object = body
    for step in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def section(body: Body, *path: str) -> Body:
    """Return the mapping at *path*, an empty one when there is none."""
    found = value_at(body, *path)
    return found if isinstance(found, Mapping) else _NOTHING


def sections(body: Body, *path: str) -> tuple[Body, ...]:
    """Return the mappings of the list at *path*."""
    found = value_at(body, *path)
    return tuple(x for x in found if isinstance(x, Mapping)) if isinstance(found, list) else ()


def text(body: Body, *path: str) -> str:
    """Return the string at *path*, a number as its digits, otherwise ``""``."""
    found = value_at(body, *path)
    return str(found) if isinstance(found, (str, int)) else ""


def number(body: Body, *path: str) -> int | None:
    """Return the whole number at *path*."""
    found = value_at(body, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def strings(body: Body, *path: str) -> Mapping[str, str]:
    """Return the mapping of strings at *path*, such as labels."""
    return {key: value for key, value in section(body, *path).items() if isinstance(value, str)}


def texts(body: Body, *path: str) -> tuple[str, ...]:
    """Return the strings of the list at *path*."""
    found = value_at(body, *path)
    return tuple(x for x in found if isinstance(x, str)) if isinstance(found, list) else ()
