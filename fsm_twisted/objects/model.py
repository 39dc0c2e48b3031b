"""
The Kubernetes objects that we read, as frozen values.

Field names follow the Kubernetes API (networking.k8s.io/v1, v1, discovery.k8s.io/v1); what the
compiler does not need is left out. Valid by construction: `objects.decode` is the only maker.
``index`` is the place in the list of the object, where parts that cannot be used count as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType

import attrs

NO_STRINGS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(order=True)
class ObjectRef:
    """Which object: its kind, namespace (empty for cluster-scoped kinds) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the form that people read: ``Ingress default/web``."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


@attrs.frozen
class Metadata:
    """
    ``ObjectMeta``, as far as it matters here.

    ``created`` is ``creationTimestamp`` as sent (RFC 3339 in UTC, so text order is time order),
    empty when the object has none, as in a manifest file.
    """

    name: str
    namespace: str = ""
    created: str = ""
    annotations: Mapping[str, str] = NO_STRINGS
    labels: Mapping[str, str] = NO_STRINGS
    uid: str = ""
    resource_version: str = ""


class PathType(Enum):
    """``HTTPIngressPath.pathType``."""

    EXACT = "Exact"
    PREFIX = "Prefix"
    IMPLEMENTATION_SPECIFIC = "ImplementationSpecific"


@attrs.frozen
class ServiceBackend:
    """``IngressServiceBackend``: a Service of the same namespace; port by name or number."""

    service: str
    port: str | int


@attrs.frozen
class ResourceBackend:
    """``TypedLocalObjectReference``: a backend that is not a Service; we cannot route to it."""

    api_group: str
    kind: str
    name: str


Backend = ServiceBackend | ResourceBackend


@attrs.frozen
class IngressPath:
    """``HTTPIngressPath``; ``path`` begins with ``/`` and is as written."""

    path: str
    path_type: PathType
    backend: Backend
    index: int = 0


@attrs.frozen
class IngressRule:
    """``IngressRule``; ``host`` is lower-case, ``""`` for every host, may begin with ``*.``."""

    host: str
    paths: tuple[IngressPath, ...]
    index: int = 0


@attrs.frozen
class IngressTLS:
    """``IngressTLS``; no hosts means all hosts of the Ingress's rules."""

    hosts: tuple[str, ...]
    secret_name: str
    index: int = 0

    @property
    def where(self) -> str:
        """Return the field that it is, e.g. ``spec.tls[0]``."""
        return f"spec.tls[{self.index}]"


@attrs.frozen
class Ingress:
    """
    ``networking.k8s.io/v1`` Ingress.

    ``default_where`` is the field that has the default backend, ``spec.backend`` in v1beta1.
    """

    metadata: Metadata
    class_name: str | None = None
    default_backend: Backend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()
    default_where: str = "spec.defaultBackend"

    def paths(self) -> Iterator[tuple[str, str, IngressPath]]:
        """Yield all paths: the field, e.g. ``spec.rules[0].http.paths[0]``, host and path."""
        for rule in self.rules:
            for path in rule.paths:
                where = f"spec.rules[{rule.index}].http.paths[{path.index}]"
                yield where, rule.host, path


@attrs.frozen
class IngressClass:
    """``networking.k8s.io/v1`` IngressClass."""

    metadata: Metadata
    controller: str

    @property
    def is_default(self) -> bool:
        """Whether unclassed Ingresses belong to this class (``is-default-class`` annotation)."""
        key = "ingressclass.kubernetes.io/is-default-class"
        return self.metadata.annotations.get(key) == "true"


@attrs.frozen
class ServicePort:
    """``ServicePort``; ``name`` is empty for the only, unnamed port."""

    name: str
    port: int
    target_port: str | int
    protocol: str = "TCP"
    app_protocol: str = ""


@attrs.frozen
class Service:
    """``v1`` Service."""

    metadata: Metadata
    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""


@attrs.frozen
class EndpointPort:
    """``EndpointPort``: tied to a ServicePort by *name*; ``port`` is the endpoint's own."""

    name: str
    port: int
    protocol: str = "TCP"


@attrs.frozen
class SliceEndpoint:
    """``Endpoint`` of a slice, its conditions resolved to booleans as the API document says."""

    addresses: tuple[str, ...]
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node_name: str = ""
    zone: str = ""
    target: str = ""


@attrs.frozen
class EndpointSlice:
    """
    ``discovery.k8s.io/v1`` EndpointSlice, or an older ``Endpoints`` told as one.

    ``service`` is the label ``kubernetes.io/service-name``, in the same namespace.
    """

    metadata: Metadata
    service: str
    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


@attrs.frozen
class Secret:
    """``v1`` Secret; ``data`` is decoded and never shown by ``repr``."""

    metadata: Metadata
    type: str = "Opaque"
    data: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)


KubernetesObject = Ingress | IngressClass | Service | EndpointSlice | Secret


def ref_of(value: KubernetesObject) -> ObjectRef:
    """Return the reference of *value*; its kind is the name of its class."""
    return ObjectRef(type(value).__name__, value.metadata.namespace, value.metadata.name)
