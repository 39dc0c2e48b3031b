"""Certificates, without their keys: whose, for which hosts, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from fsm_twisted.admin.documents.world import (
    Json,
    World,
    codes_of,
    compiled_by_object,
    once_a_compilation,
    ref_json,
    time_text,
)
from fsm_twisted.compiler.certificates import LeafText, ParsedCertificate, describe_leaf
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.named_secrets import SecretFault
from fsm_twisted.compiler.tls import TLSEntry
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.model import CertificateEntry

SOON_DAYS: Final = 30
_DAY_SECONDS: Final = 86_400
CERTIFICATE_STATES: Final = (
    "missing", "invalid", "foreign", "expired", "not_yet_valid", "lost", "not_covering",
    "expires_soon", "ok",
)  # fmt: skip


@attrs.frozen
class _Named:
    """A Secret that Ingresses name: who does, its certificate, and what is wrong with it."""

    entries: Sequence[TLSEntry]
    leaf: LeafText | None
    fault: str | None

    def state(self, now: datetime) -> str:
        """Return one of `CERTIFICATE_STATES`."""
        return self.fault or _time_state(self.leaf, now)


@once_a_compilation
def _named(world: World) -> Sequence[_Named]:
    entries: dict[tuple[str, str], list[TLSEntry]] = {}
    for part in world.standing.parts.values():
        for entry in part.tls:
            if entry.secret_name:
                entries.setdefault((entry.ref.namespace, entry.secret_name), []).append(entry)
    return [_Named(each, _leaf_of(each[0]), _fault(each, world)) for each in entries.values()]


def _leaf_of(entry: TLSEntry) -> LeafText | None:
    found = entry.found
    return describe_leaf(found.entry.chain_pem) if isinstance(found, ParsedCertificate) else None


def certificate_states(world: World, default: CertificateEntry | None = None) -> list[str]:
    """Return the states of the `certificate_rows`, in no order."""
    states = [each.state(world.now) for each in _named(world)]
    return states + [row["state"] for row in _default(default, world.now)]


def certificate_rows(world: World, default: CertificateEntry | None = None) -> list[Json]:
    """
    Return the certificates that ``spec.tls`` names, each Secret once, the worst first.

    Args:
        world: What there is.
        default: The one for all other server names, told last; None without HTTPS.
    """
    rows = [_row(each, world) for each in _named(world)]
    rows.sort(
        key=lambda row: (
            CERTIFICATE_STATES.index(row["state"]),
            row["secret"]["namespace"],
            row["secret"]["name"],
        )
    )
    return [*rows, *_default(default, world.now)]


def _row(named: _Named, world: World) -> Json:
    entries = named.entries
    first = entries[0]
    hosts = sorted({host for entry in entries for host in entry.hosts})
    found = first.found
    return {
        "state": named.state(world.now),
        "secret": ref_json(ObjectRef("Secret", first.ref.namespace, first.secret_name)),
        "hosts": hosts,
        "answers_for": [host for host in hosts if _answers(host, entries, world)],
        "ingresses": [ref_json(ref) for ref in sorted({entry.ref for entry in entries})],
        **leaf_json(named.leaf, world.now),
        "problem": found.what if isinstance(found, SecretFault) else "",
        "findings": codes_of(_findings(entries, world)),
    }


def leaf_json(leaf: LeafText | None, now: datetime) -> Json:
    """Tell what a certificate says of itself; all None where there is none."""
    if leaf is None:
        names = "subject", "issuer", "names", "not_before", "not_after", "days_left"
        return dict.fromkeys((*names, "fingerprint_sha256", "key"))
    return {
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "names": list(leaf.names),
        "not_before": time_text(leaf.not_before),
        "not_after": time_text(leaf.not_after),
        "days_left": days_left(leaf.not_after, now),
        "fingerprint_sha256": leaf.fingerprint,
        "key": leaf.key,
    }


def days_left(until: datetime, now: datetime) -> int:
    """Return the whole days until then, rounded down: below 0 for what is over."""
    return int((until - now).total_seconds() // _DAY_SECONDS)


def _answers(host: str, entries: Iterable[TLSEntry], world: World) -> bool:
    owner = world.standing.owners.get(host)
    return owner is not None and any(owner == entry for entry in entries)


def _findings(entries: Iterable[TLSEntry], world: World) -> Iterator[Finding]:
    for entry in entries:
        for finding in compiled_by_object(world).get(entry.ref, ()):
            if any(place.startswith(entry.where) for place in finding.places):
                yield finding


def _fault(entries: list[TLSEntry], world: World) -> str | None:
    """Return the worst state that the compiler has told, if any."""
    codes = set(codes_of(_findings(entries, world)))
    for state in CERTIFICATE_STATES:
        if f"secret_{state}" in codes or f"certificate_{state}" in codes:
            return state
    return None


def _time_state(leaf: LeafText | None, now: datetime) -> str:
    if leaf is None:
        return "ok"
    if now > leaf.not_after:
        return "expired"
    return "expires_soon" if days_left(leaf.not_after, now) < SOON_DAYS else "ok"


def _default(default: CertificateEntry | None, now: datetime) -> Iterator[Json]:
    leaf = None if default is None else describe_leaf(default.chain_pem)
    if leaf is not None:
        yield {
            "state": _time_state(leaf, now),
            "secret": None,
            "hosts": [],
            "answers_for": [],
            "ingresses": [],
            **leaf_json(leaf, now),
            "problem": "",
            "findings": [],
        }
