"""
A Lease, and what a candidate does about it; the rules are those of client-go's leaderelection.

Pure: time is a parameter. What counts is how long *we* have seen a Lease unchanged, by our own
monotonic clock; the times inside it are for people and never compared with a clock of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import attrs

API_VERSION: Final = "coordination.k8s.io/v1"
RULE: Final = (
    '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [get, create, update]}'
)

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_RELEASED_SECONDS: Final = 1


@attrs.frozen
class Timing:
    """
    How long a Lease lasts, and how hard one tries, in seconds.

    A holder gives up ``deadline_seconds`` after it sent its last renewal that succeeded, well
    before anybody else may take the Lease, ``lease_seconds`` after having seen that renewal.
    """

    lease_seconds: float = 15.0
    deadline_seconds: float = 10.0
    retry_seconds: float = 2.0


@attrs.frozen
class Lease:
    """
    ``LeaseSpec``: who holds it, for how long, since when (RFC 3339), and how often it moved.

    ``document`` is the object as the API server has it, empty before there is one.
    """

    holder: str = ""
    duration_seconds: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    document: Mapping[str, object] = attrs.field(default=_NOTHING, eq=False, repr=False)


@attrs.frozen
class Sight:
    """A Lease as we saw it last, and since when it has said so, by our monotonic clock."""

    lease: Lease
    since: float


@attrs.frozen
class Claim:
    """Try to hold the Lease: write this; whoever was faster makes it a conflict."""

    lease: Lease


@attrs.frozen
class Held:
    """Somebody else holds it, for at least so many seconds more."""

    holder: str
    seconds: float


def look(before: Sight | None, lease: Lease, now: float) -> Sight:
    """Return what is known after having seen *lease* at *now*."""
    since = before.since if before is not None and before.lease == lease else now
    return Sight(lease, since)


def decide(
    sight: Sight | None, me: str, now: float, wall: datetime, timing: Timing
) -> Claim | Held:
    """
    Say what *me* does about a Lease.

    Args:
        sight: What was seen of it; None when there is none.
        me: Our identity; no other process has it.
        now: Monotonic seconds.
        wall: The time that people read.
        timing: Ours; how long somebody else's lasts is in the Lease.
    """
    stamp = stamp_of(wall)
    if sight is None:
        return Claim(Lease(me, timing.lease_seconds, stamp, stamp))
    lease = sight.lease
    left = sight.since + (lease.duration_seconds or timing.lease_seconds) - now
    if lease.holder not in {"", me} and left > 0:
        return Held(lease.holder, left)
    if lease.holder == me:
        renewed = attrs.evolve(lease, duration_seconds=timing.lease_seconds, renewed=stamp)
        return Claim(renewed)
    transitions = lease.transitions + 1
    return Claim(Lease(me, timing.lease_seconds, stamp, stamp, transitions, lease.document))


def released(lease: Lease, wall: datetime) -> Lease:
    """Return what its holder writes who needs it no longer: anybody may have it at once."""
    stamp = stamp_of(wall)
    return attrs.evolve(
        lease, holder="", duration_seconds=_RELEASED_SECONDS, acquired=stamp, renewed=stamp
    )


def stamp_of(wall: datetime) -> str:
    """Return *wall*, in UTC, as a ``MicroTime``."""
    return f"{wall.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def decode_lease(document: Mapping[str, object]) -> Lease:
    """Read a Lease; what is missing or of another type counts as not said."""
    spec = document.get("spec")
    fields: Mapping[str, object] = spec if isinstance(spec, Mapping) else _NOTHING

    def text(key: str) -> str:
        value = fields.get(key)
        return value if isinstance(value, str) else ""

    def number(key: str) -> int:
        value = fields.get(key)
        return value if isinstance(value, int) and value > 0 else 0

    return Lease(
        text("holderIdentity"),
        number("leaseDurationSeconds"),
        text("acquireTime"),
        text("renewTime"),
        number("leaseTransitions"),
        document,
    )


def encode_lease(lease: Lease, namespace: str, name: str) -> Mapping[str, object]:
    """
    Write a Lease.

    Labels and the like stay, and so does ``resourceVersion``: whoever has written in between
    makes it a conflict.
    """
    metadata = lease.document.get("metadata") or {"namespace": namespace, "name": name}
    return {
        "apiVersion": API_VERSION,
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": round(lease.duration_seconds),
            "acquireTime": lease.acquired,
            "renewTime": lease.renewed,
            "leaseTransitions": lease.transitions,
        },
    }
