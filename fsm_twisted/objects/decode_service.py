"""Service and Secret of the core API, ``v1``."""

from __future__ import annotations

import binascii
import re
from typing import Final

from fsm_twisted.objects.fields import Fields
from fsm_twisted.objects.model import Metadata, Secret, Service, ServicePort
from fsm_twisted.objects.names import label_fault, secret_key_fault, subdomain_fault

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


def decode_service(top: Fields, metadata: Metadata, _version: str) -> tuple[Service]:
    """Decode a Service; a port that cannot be used is left out."""
    spec = top.required_child("spec")
    type_ = spec.choice("type", _TYPES, "ClusterIP")
    external = _external_name(spec) if type_ == "ExternalName" else ""
    ports = spec.parts("ports", _service_port)
    return (Service(metadata, type_, _distinct(spec, ports), external),)


def _external_name(spec: Fields) -> str:
    name = spec.required("externalName", "name a host, or choose another type").lower()
    if fault := subdomain_fault(name.removesuffix(".")):
        raise spec.fault("externalName", fault)
    return name.removesuffix(".")


def _service_port(fields: Fields) -> ServicePort:
    port = fields.port("port")
    if port is None:
        raise fields.fault("port", "is required: write the port's number")
    return ServicePort(
        name=fields.checked("name", label_fault),
        port=port,
        target_port=fields.port_or_name("targetPort") or port,
        protocol=fields.choice("protocol", PROTOCOLS, "TCP"),
        app_protocol=fields.text("appProtocol"),
    )


def _distinct(spec: Fields, ports: tuple[ServicePort, ...]) -> tuple[ServicePort, ...]:
    """Keep the first port of each name: slices know a port by its name alone."""
    kept: dict[str, ServicePort] = {}
    for each in ports:
        if kept.setdefault(each.name, each) is not each:
            called = f"the name '{each.name}'" if each.name else "no name"
            spec.note("ports", f"has two ports with {called}: name each of them differently")
    return tuple(kept.values())


def decode_secret(top: Fields, metadata: Metadata, _version: str) -> tuple[Secret]:
    """
    Decode a Secret; ``stringData`` wins over ``data``, as when the API server stores it.

    One bad value makes the whole Secret unusable, as it does there. No message shows a value.
    """
    data: dict[str, bytes] = {}
    if (encoded := top.child("data")) is not None:
        data.update({name: _base64(encoded, name) for name in encoded.names()})
    if (plain := top.child("stringData")) is not None:
        data.update({name: _secret_text(plain, name).encode() for name in plain.names()})
    return (Secret(metadata, top.text("type") or "Opaque", data),)


def _secret_text(fields: Fields, name: str) -> str:
    if fault := secret_key_fault(name):
        raise fields.fault(f"[{name}]", fault)
    if isinstance(fields.data.get(name), str | None):
        return fields.text_at(name)
    # Not `text_at`'s own words: its example would tell whether a value is true or false.
    raise fields.fault(f"[{name}]", "must be a string: write it in quotes")


def _base64(fields: Fields, name: str) -> bytes:
    """Decode as Go's ``StdEncoding`` does: padded, line ends passed over, nothing else."""
    text = _secret_text(fields, name).replace("\n", "").replace("\r", "")
    if not _BASE64.fullmatch(text):  # binascii's strict mode lets ``AAAA====`` through
        hint = "encode it with base64, or move it to stringData"
        raise fields.fault(f"[{name}]", f"is no base64: {hint}")
    return binascii.a2b_base64(text)
