"""How the values of annotations are read; every parser either returns or raises `ValueFault`."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, TypeVar

import attrs

from fsm_twisted.objects.names import label_fault, subdomain_fault
from fsm_twisted.snapshot.policy import Affinity, HashBy, HashSource

_E = TypeVar("_E", bound=Enum)

_TRUE: Final = frozenset({"yes", "true", "1", "on", "t", "y"})
_FALSE: Final = frozenset({"no", "false", "0", "off", "f", "n", ""})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?")
_SIZE: Final = re.compile(r"([0-9]{1,12})([kmg]?)", re.IGNORECASE)
_SECONDS_PER: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES_PER: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LONGEST_SECONDS: Final = 86_400.0
_DEPTH: Final = re.compile(r"[0-9]{1,2}")
DEEPEST: Final = 16


# Wider than a DNS name of Kubernetes: certificates and servers know names with underscores.
_SERVER_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


@attrs.frozen
class SecretName:
    """A Secret as an annotation names it; no namespace means that of the Ingress."""

    name: str
    namespace: str = ""


class ServiceProtocol(Enum):
    """What ``upstream-protocol`` can say."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    GRPC = "GRPC"
    GRPCS = "GRPCS"
    H2C = "H2C"


class AskedClients(Enum):
    """What ``tls-verify-client`` can say."""

    OFF = "off"
    OPTIONAL = "optional"
    ON = "on"


class ValueFault(ValueError):
    """A value that cannot be used; the text ends a sentence that began with the value."""


def parse_boolean(text: str) -> bool:
    """Read one of FSM's booleans, in any case."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueFault("is not one of yes, true, 1, on, no, false, 0, off")


def one_of(members: type[_E]) -> Callable[[str], _E]:
    """Return a parser of the values of an enumeration, spelled exactly."""
    names = [str(member.value) for member in members]

    def parse(text: str) -> _E:
        for member in members:
            if member.value == text:
                return member
        raise ValueFault(f"is not one of {', '.join(names)}{meant(text, names)}")

    return parse


def parse_affinity(text: str) -> Affinity:
    """Read ``session-sticky``: a boolean, where true is by client address, or ``cookie``."""
    if text.lower() == Affinity.COOKIE.value:
        return Affinity.COOKIE
    try:
        return Affinity.CLIENT_IP if parse_boolean(text) else Affinity.NONE
    except ValueFault:
        raise ValueFault("is neither a boolean (true, false) nor cookie") from None


def parse_hash_by(text: str) -> HashBy:
    """Read ``client-ip``, ``uri``, ``header:NAME`` (any case) or ``cookie:NAME``."""
    kind, colon, name = text.partition(":")
    if not colon and kind in {"client-ip", "uri"}:
        return HashBy(HashSource(kind))
    if kind not in {"header", "cookie"}:
        kinds = ("client-ip", "uri", "header:NAME", "cookie:NAME")
        raise ValueFault(f"is not one of {', '.join(kinds)}{meant(text, kinds)}")
    if not _TOKEN.fullmatch(name):
        raise ValueFault(f"has no usable name of a {kind} after the colon")
    return HashBy(HashSource(kind), name.lower() if kind == "header" else name)


def parse_seconds(text: str) -> float:
    """Read a duration: a positive number of seconds, or with ``ms``, ``s``, ``m`` or ``h``."""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _SECONDS_PER[found[2] or "s"] if found else 0.0
    if not 0.0 < seconds <= _LONGEST_SECONDS:
        raise ValueFault("is not a number of seconds above 0 and up to 86400 (or 500ms, 5m, 1h)")
    return seconds


def parse_bytes(text: str) -> int:
    """Read a size as nginx writes it: bytes, or with ``k``, ``m`` or ``g``."""
    if (found := _SIZE.fullmatch(text)) is None:
        raise ValueFault("is not a number of bytes (or 512k, 10m, 1g; 0 for no limit)")
    return int(found[1]) * _BYTES_PER[found[2].lower()]


def parse_secret_name(text: str) -> SecretName | None:
    """Read ``NAME`` or ``NAMESPACE/NAME`` of a Secret; nothing but blanks names none."""
    namespace, slash, name = text.strip().rpartition("/")
    if not slash and not name:
        return None
    fault = (label_fault(namespace) if slash else None) or subdomain_fault(name)
    if fault is not None:
        raise ValueFault("is neither NAME nor NAMESPACE/NAME of a Secret")
    return SecretName(name, namespace)


def parse_server_name(text: str) -> str:
    """Read a DNS name, in any case, or an IP address without brackets; ``""`` for neither."""
    name = text.strip().lower().removesuffix(".")
    if not name:
        return ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name.isascii() or not _SERVER_NAME.fullmatch(name):
        raise ValueFault("is neither a DNS name nor an IP address")
    return name


def parse_protocol(text: str) -> ServiceProtocol:
    """Read the protocol of a Service, in any case; empty is HTTP."""
    word = text.strip().upper()
    if not word:
        return ServiceProtocol.HTTP
    return one_of(ServiceProtocol)(word)


def parse_verify_client(text: str) -> AskedClients:
    """Read ``tls-verify-client``: a boolean, or ``optional``, in any case."""
    word = text.strip().lower()
    if word == AskedClients.OPTIONAL.value:
        return AskedClients.OPTIONAL
    try:
        return AskedClients.ON if parse_boolean(word) else AskedClients.OFF
    except ValueFault:
        raise ValueFault("is neither a boolean (on, off) nor optional") from None


def parse_depth(text: str) -> int:
    """Read how many intermediate authorities a chain may have."""
    word = text.strip()
    if not _DEPTH.fullmatch(word) or int(word) > DEEPEST:
        raise ValueFault(f"is not a number from 0 to {DEEPEST}")
    return int(word)


def parse_text(text: str) -> str:
    """Take the value as it is."""
    return text


def meant(text: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` when one of *known* is near *text*, else nothing."""
    near = nearest(text, known)
    return f"; did you mean {near}?" if near else ""


def nearest(text: str, known: Iterable[str]) -> str:
    """Return the name in *known* that is nearest to *text*, ``""`` when none is near."""
    found = difflib.get_close_matches(text.strip().lower()[:100], sorted(known), n=1, cutoff=0.75)
    return found[0] if found else ""
