"""``spec.tls``: which hosts are TLS hosts, and which certificate answers for them (D8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import attrs

from fsm_twisted.compiler.certificates import (
    TLS_TYPE,
    CertificateFault,
    ParsedCertificate,
    parse_certificate,
)
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.objects.names import shown
from fsm_twisted.snapshot.model import CertificateEntry

_DEFAULT_ANSWERS: Final = "the default certificate answers for the hosts; their routes stay"
_SERVED: Final = "it is served all the same"
_HOSTS_SHOWN: Final = 3


@attrs.frozen
class CertificateTime:
    """Until when the certificate of a Secret is valid (aware, UTC)."""

    secret: ObjectRef
    not_after: datetime


@attrs.frozen
class TLSTables:
    """
    The certificates by server name pattern, and all TLS hosts, with and without one.

    ``times`` are those of every usable Secret that ``spec.tls`` names, ordered by Secret.
    """

    certificates: Mapping[str, CertificateEntry]
    hosts: frozenset[str]
    times: tuple[CertificateTime, ...]


@attrs.frozen
class _Entry:
    """One entry of ``spec.tls``: its Ingress, its field, its hosts, the name of its Secret."""

    ref: ObjectRef
    where: str
    hosts: tuple[str, ...]
    secret_name: str

    @property
    def field(self) -> str:
        return f"{self.where}.secretName"

    @property
    def secret(self) -> str:
        return f"Secret {self.ref.namespace}/{shown(self.secret_name)[1:-1]}"


def settle_tls(
    ingresses: Iterable[Ingress], inventory: Inventory, now: datetime, book: FindingBook
) -> TLSTables:
    """
    Read ``spec.tls`` of *ingresses*, which come oldest first.

    The oldest Ingress with a usable certificate for a host wins it; a younger one with another
    certificate gets a finding.
    """
    certificates: dict[str, CertificateEntry] = {}
    owners: dict[str, str] = {}
    hosts: set[str] = set()
    times: dict[ObjectRef, CertificateTime] = {}
    for entry in _entries(ingresses, book):
        hosts.update(entry.hosts)
        certificate = _certificate(entry, inventory, book)
        if certificate is None:
            continue
        secret = ObjectRef("Secret", entry.ref.namespace, entry.secret_name)
        times[secret] = CertificateTime(secret, certificate.not_after)
        _note_doubts(entry, certificate, now, book)
        for host in entry.hosts:
            served = certificates.setdefault(host, certificate.entry)
            owner = owners.setdefault(host, f"{entry.where} of {entry.ref}")
            if served.fingerprint != certificate.entry.fingerprint:
                what = f"host {host} already has another certificate, from {owner}"
                served_by = "that certificate answers for the host"
                book.note(entry.ref, "certificate_lost", entry.field, what, served_by)
    return TLSTables(
        dict(sorted(certificates.items())),
        frozenset(hosts),
        tuple(times[secret] for secret in sorted(times)),
    )


def _entries(ingresses: Iterable[Ingress], book: FindingBook) -> Iterator[_Entry]:
    for ingress in ingresses:
        ref = ref_of(ingress)
        of_rules = tuple(rule.host for rule in ingress.rules)
        for index, tls in enumerate(ingress.tls):
            named = dict.fromkeys(host.lower() for host in tls.hosts or of_rules if host)
            where = f"spec.tls[{index}]"
            if not named:
                what = "it names no host, and no rule of the Ingress has one"
                book.note(ref, "tls_hosts_missing", where, what, "the default certificate answers")
            yield _Entry(ref, where, tuple(named), tls.secret_name)


def _certificate(
    entry: _Entry, inventory: Inventory, book: FindingBook
) -> ParsedCertificate | None:
    if not entry.secret_name:
        return None
    found = _read_secret(entry, inventory)
    if isinstance(found, ParsedCertificate):
        return found
    code, what = found
    book.note(entry.ref, code, entry.field, what, _DEFAULT_ANSWERS)
    return None


def _read_secret(entry: _Entry, inventory: Inventory) -> ParsedCertificate | tuple[str, str]:
    """Return the certificate, or code and text of the finding."""
    if "/" in entry.secret_name:
        return "secret_foreign", f"{shown(entry.secret_name)} names a namespace"
    secret = inventory.secrets.get((entry.ref.namespace, entry.secret_name))
    if secret is None:
        return "secret_missing", f"there is no {entry.secret}"
    if secret.type != TLS_TYPE:
        return "secret_invalid", f"{entry.secret} is of type {shown(secret.type)}, not {TLS_TYPE}"
    certificate = parse_certificate(secret.data)
    if isinstance(certificate, CertificateFault):
        return "secret_invalid", f"{entry.secret} is no usable certificate: {certificate.what}"
    return certificate


def _note_doubts(
    entry: _Entry, certificate: ParsedCertificate, now: datetime, book: FindingBook
) -> None:
    name = f"the certificate in {entry.secret}"
    if now > certificate.not_after:
        what = f"{name} expired at {_time(certificate.not_after)}"
        book.note(entry.ref, "certificate_expired", entry.field, what, _SERVED)
    elif now < certificate.not_before:
        what = f"{name} is not valid before {_time(certificate.not_before)}"
        book.note(entry.ref, "certificate_not_yet_valid", entry.field, what, _SERVED)
    bare = [host for host in entry.hosts if not certificate.covers(host)]
    if bare:
        why = "it does not have the name" if certificate.names else "it has no subjectAltName"
        what = f"{name} does not cover {_listed(bare)}: {why}"
        book.note(entry.ref, "certificate_not_covering", entry.field, what, _SERVED)


def _listed(hosts: list[str]) -> str:
    more = f" and {len(hosts) - _HOSTS_SHOWN} more" if len(hosts) > _HOSTS_SHOWN else ""
    return ", ".join(hosts[:_HOSTS_SHOWN]) + more


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
