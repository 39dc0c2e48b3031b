"""Ingress and IngressClass: ``networking.k8s.io/v1``, and the older v1beta1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fsm_twisted.objects.fields import Fields
from fsm_twisted.objects.model import (
    Backend,
    Ingress,
    IngressClass,
    IngressPath,
    IngressRule,
    IngressTLS,
    Metadata,
    PathType,
    ResourceBackend,
    ServiceBackend,
)
from fsm_twisted.objects.names import (
    host_fault,
    label_fault,
    port_name_fault,
    shown,
    subdomain_fault,
)
from fsm_twisted.objects.problem import HOST_INVALID, PATH_INVALID, Problem, Unusable

_PATH_TYPES: Final = {each.value: each for each in PathType}
_CHOICES: Final = ", ".join(_PATH_TYPES)
# The field of the default backend in v1, and in v1beta1.
_DEFAULTS: Final = ("defaultBackend", "backend")

# validateHTTPIngressPath: sequences that mean something else to many a server.
_UNCLEAR: Final = re.compile(r"//|/\.\.?(?:/|$)|%2[fF]")


def decode_class(top: Fields, metadata: Metadata, _version: str) -> tuple[IngressClass]:
    """Decode an IngressClass."""
    hint = "name the controller, as in flomesh.io/ingress-pipy"
    controller = top.required_child("spec").required("controller", hint)
    return (IngressClass(metadata, controller),)


def decode_ingress(top: Fields, metadata: Metadata, version: str) -> tuple[Ingress]:
    """
    Decode an Ingress; rules, paths and TLS entries that cannot be used are left out.

    A bad default backend is left out as well: what the rules say still holds.
    """
    spec = top.required_child("spec")
    key, foreign = _DEFAULTS if version == "v1" else reversed(_DEFAULTS)
    value = Ingress(
        metadata=metadata,
        class_name=_class_name(spec),
        default_backend=_default_backend(spec, key, version),
        rules=spec.parts("rules", lambda rule: _rule(rule, version)),
        tls=tuple(_tls(spec)),
        default_where=f"spec.{key}",
    )
    if spec.has(foreign):
        spec.note(foreign, f"is a field of another apiVersion: in {version} it is {key}")
    elif not spec.data.get("rules") and not spec.has(key):
        spec.note("", f"has neither rules nor {key}: nothing is routed")
    return (value,)


def _class_name(spec: Fields) -> str | None:
    if not spec.has("ingressClassName"):
        return None
    if name := spec.checked("ingressClassName", subdomain_fault):
        return name
    raise spec.fault("ingressClassName", "is empty: name a class, or leave the field out")


def _default_backend(spec: Fields, key: str, version: str) -> Backend | None:
    fields = spec.child(key)
    if fields is None:
        return None
    try:
        return _backend(fields, version)
    except Unusable as unusable:
        spec.problems.append(unusable.problem)
        return None


def _rule(rule: Fields, version: str) -> IngressRule:
    host = _host(rule, "host", rule.text("host"))
    http = rule.child("http")
    if http is None:
        return IngressRule(host, (), rule.index)
    if not http.has("paths") or not http.data["paths"]:
        raise http.fault("paths", "is required: write at least one path")
    paths = http.parts("paths", lambda path: _path(path, version))
    return IngressRule(host, paths, rule.index)


def _host(fields: Fields, step: str, written: str) -> str:
    """Check a host; hosts are case-insensitive (RFC 9110 section 4.2.3), so lower-case it."""
    host = written.lower()
    if host and (fault := host_fault(host)):
        raise fields.fault(step, fault, HOST_INVALID)
    return host


def _path(fields: Fields, version: str) -> IngressPath:
    path_type = _path_type(fields, version)
    path = fields.text("path")
    if not path and path_type is PathType.IMPLEMENTATION_SPECIFIC:
        path = "/"
    if not path.startswith("/"):
        fault = f"{shown(path)} does not begin with '/'"
        raise fields.fault("path", fault, PATH_INVALID)
    if path_type is not PathType.IMPLEMENTATION_SPECIFIC and (unclear := _UNCLEAR.search(path)):
        fault = f"may not contain {shown(unclear.group())}: Kubernetes refuses it, leave it out"
        raise fields.fault("path", fault, PATH_INVALID)
    backend = fields.required_child("backend")
    return IngressPath(path, path_type, _backend(backend, version), fields.index)


def _path_type(fields: Fields, version: str) -> PathType:
    """Read ``pathType``, which v1 requires and v1beta1 lets default."""
    written = fields.text("pathType")
    if not written and version != "v1":
        return PathType.IMPLEMENTATION_SPECIFIC
    if not written:
        raise fields.fault("pathType", f"is required: write one of {_CHOICES}", PATH_INVALID)
    if (found := _PATH_TYPES.get(written)) is not None:
        return found
    fault = f"{shown(written)} is unknown: write one of {_CHOICES}"
    raise fields.fault("pathType", fault, PATH_INVALID)


def _backend(fields: Fields, version: str) -> Backend:
    if (resource := fields.child("resource")) is not None:
        if any(fields.has(key) for key in ("service", "serviceName", "servicePort")):
            raise fields.fault("", "has both a service and a resource: remove one of them")
        return _resource(resource)
    return _service_v1(fields) if version == "v1" else _service_v1beta1(fields)


def _resource(fields: Fields) -> ResourceBackend:
    return ResourceBackend(
        fields.text("apiGroup"),
        fields.required("kind", "name the kind of the resource"),
        fields.required("name", "name the resource"),
    )


def _service_v1(fields: Fields) -> ServiceBackend:
    if fields.has("serviceName") or fields.has("servicePort"):
        hint = "write service: {name: ..., port: {number: ...}}"
        raise fields.fault("serviceName", f"belongs to the old v1beta1: {hint}")
    service = fields.required_child("service")
    name = _service_name(service, "name")
    port = service.required_child("port")
    number, port_name = port.port("number"), port.checked("name", port_name_fault)
    if number is not None and port_name:
        raise port.fault("", "has both a name and a number: remove one of them")
    if number is None and not port_name:
        raise port.fault("", "is empty: write the port's name or its number")
    return ServiceBackend(name, port_name if number is None else number)


def _service_v1beta1(fields: Fields) -> ServiceBackend:
    if fields.has("service"):
        hint = "write serviceName and servicePort, or apiVersion: networking.k8s.io/v1"
        raise fields.fault("service", f"is a field of v1: {hint}")
    name = _service_name(fields, "serviceName")
    port = fields.port_or_name("servicePort")
    if port is None:
        raise fields.fault("servicePort", "is required: write the port's name or its number")
    if isinstance(port, str) and (fault := port_name_fault(port)):
        raise fields.fault("servicePort", fault)
    return ServiceBackend(name, port)


def _service_name(fields: Fields, key: str) -> str:
    name = fields.required(key, "name a Service of the same namespace")
    if fault := label_fault(name):
        raise fields.fault(key, fault)
    return name


def _tls(spec: Fields) -> Iterator[IngressTLS]:
    """
    Decode the TLS entries; bad hosts are left out, and entries that have no other.

    An entry without hosts would mean all of them. One of a wrong shape makes the Ingress unusable:
    nobody knows which hosts it wanted to protect. A name that no Secret can have stays: its hosts
    are TLS hosts, and the compiler says that there is no such Secret.
    """
    for fields in spec.children("tls"):
        written = fields.texts("hosts")
        hosts: list[str] = []
        for index, each in enumerate(written):
            try:
                hosts.append(_tls_host(fields, f"hosts[{index}]", each))
            except Unusable as unusable:
                fields.problems.append(unusable.problem)
        if written and not hosts:
            fault = Problem(fields.path("hosts"), "has no usable host left", HOST_INVALID)
            fields.problems.append(fault)
            continue
        yield IngressTLS(tuple(hosts), fields.text("secretName"), fields.index)


def _tls_host(fields: Fields, step: str, written: str) -> str:
    if not written:
        raise fields.fault(step, "is empty: write a host, or leave it out", HOST_INVALID)
    return _host(fields, step, written)
