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
from fsm_twisted.compiler.named_secrets import SecretFault
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress, IngressTLS, ObjectRef, ref_of
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
class TLSEntry:
    """
    One entry of ``spec.tls``: its Ingress, its field, its hosts, the name of its Secret.

    ``found`` is what the Secret gives, None when the entry names none.
    """

    ref: ObjectRef
    where: str
    hosts: tuple[str, ...]
    secret_name: str
    found: ParsedCertificate | SecretFault | None

    @property
    def certificate(self) -> ParsedCertificate | None:
        """Return the certificate that answers for the hosts, if there is one that can be used."""
        return self.found if isinstance(self.found, ParsedCertificate) else None

    @property
    def time(self) -> CertificateTime | None:
        """Return until when the certificate is valid."""
        if (certificate := self.certificate) is None:
            return None
        secret = ObjectRef("Secret", self.ref.namespace, self.secret_name)
        return CertificateTime(secret, certificate.not_after)

    @property
    def field(self) -> str:
        """Return the field that names the Secret."""
        return f"{self.where}.secretName"


def tls_entries(ingress: Ingress, inventory: Inventory) -> tuple[TLSEntry, ...]:
    """Read ``spec.tls`` of *ingress*; depends on it and on the Secrets that it names only."""
    return tuple(_entries(ingress, inventory))


def settle_tls(
    ingresses: Iterable[Ingress], inventory: Inventory, now: datetime, book: FindingBook
) -> TLSTables:
    """
    Read ``spec.tls`` of *ingresses*, which come oldest first.

    The oldest Ingress with a usable certificate for a host wins it; a younger one with another
    certificate gets a finding.
    """
    entries = [entry for each in ingresses for entry in tls_entries(each, inventory)]
    owners: dict[str, TLSEntry] = {}
    for entry in entries:
        for host in entry.hosts if entry.certificate is not None else ():
            owners.setdefault(host, entry)
    note_tls(entries, owners, now, book)
    return TLSTables(
        {host: entry_of(owners[host]) for host in sorted(owners)},
        frozenset(host for entry in entries for host in entry.hosts),
        times_of(entries),
    )


def entry_of(owner: TLSEntry) -> CertificateEntry:
    """Return what answers for the hosts of an entry that has a certificate."""
    assert owner.certificate is not None  # noqa: S101  nobody else owns a host
    return owner.certificate.entry


def times_of(entries: Iterable[TLSEntry]) -> tuple[CertificateTime, ...]:
    """Return the times of all usable certificates, each Secret once and in order."""
    times = {time.secret: time for each in entries if (time := each.time) is not None}
    return tuple(times[secret] for secret in sorted(times, key=_name_of))


def _name_of(ref: ObjectRef) -> tuple[str, str]:
    return (ref.namespace, ref.name)


def note_tls(
    entries: Iterable[TLSEntry],
    owners: Mapping[str, TLSEntry],
    now: datetime,
    book: FindingBook,
) -> None:
    """Tell what is wrong with *entries*; *owners* say by host whose certificate answers."""
    for entry in entries:
        if not entry.hosts:
            what = "it names no host, and no rule of the Ingress has one"
            default = "the default certificate answers"
            book.note(entry.ref, "tls_hosts_missing", entry.where, what, default)
        if isinstance(entry.found, SecretFault):
            fault = entry.found
            book.note(entry.ref, fault.code, entry.field, fault.what, _DEFAULT_ANSWERS)
        elif entry.found is not None:
            _note_doubts(entry, entry.found, now, book)
            _note_lost(entry, entry.found, owners, book)


def next_doubt(entries: Iterable[TLSEntry], now: datetime) -> datetime | None:
    """Return when `note_tls` may say something else of *entries*, None for never."""
    moments = (
        moment
        for each in entries
        if (certificate := each.certificate) is not None
        for moment in (certificate.not_before, certificate.not_after)
    )
    return min((moment for moment in moments if moment >= now), default=None)


def _entries(ingress: Ingress, inventory: Inventory) -> Iterator[TLSEntry]:
    ref = ref_of(ingress)
    of_rules = tuple(rule.host for rule in ingress.rules)
    for tls in ingress.tls:
        named = dict.fromkeys(host.lower() for host in tls.hosts or of_rules if host)
        found = _read_secret(tls, ref.namespace, inventory) if tls.secret_name else None
        yield TLSEntry(ref, tls.where, tuple(named), tls.secret_name, found)


def _read_secret(
    tls: IngressTLS, namespace: str, inventory: Inventory
) -> ParsedCertificate | SecretFault:
    if "/" in tls.secret_name:
        return SecretFault("secret_foreign", f"{shown(tls.secret_name)} names a namespace")
    text = _secret_text(namespace, tls.secret_name)
    secret = inventory.secrets.get((namespace, tls.secret_name))
    if secret is None:
        return SecretFault("secret_missing", f"there is no {text}")
    if secret.type != TLS_TYPE:
        what = f"{text} is of type {shown(secret.type)}, not {TLS_TYPE}"
        return SecretFault("secret_invalid", what)
    certificate = parse_certificate(secret.data)
    if isinstance(certificate, CertificateFault):
        what = f"{text} is no usable certificate: {certificate.what}"
        return SecretFault("secret_invalid", what)
    return certificate


def _secret_text(namespace: str, name: str) -> str:
    return f"Secret {namespace}/{shown(name)[1:-1]}"


def _note_doubts(
    entry: TLSEntry, certificate: ParsedCertificate, now: datetime, book: FindingBook
) -> None:
    name = f"the certificate in {_secret_text(entry.ref.namespace, entry.secret_name)}"
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


def _note_lost(
    entry: TLSEntry,
    certificate: ParsedCertificate,
    owners: Mapping[str, TLSEntry],
    book: FindingBook,
) -> None:
    for host in entry.hosts:
        owner = owners[host]
        if entry_of(owner).fingerprint != certificate.entry.fingerprint:
            whose = f"{owner.where} of {owner.ref}"
            what = f"host {host} already has another certificate, from {whose}"
            served_by = "that certificate answers for the host"
            book.note(entry.ref, "certificate_lost", entry.field, what, served_by)


def _listed(hosts: list[str]) -> str:
    more = f" and {len(hosts) - _HOSTS_SHOWN} more" if len(hosts) > _HOSTS_SHOWN else ""
    return ", ".join(hosts[:_HOSTS_SHOWN]) + more


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
