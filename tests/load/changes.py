"""The changes: each makes the next state of an application out of the latest one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import attrs

from tests.load.applications import FOREIGN, OURS, Application

_MOST_PODS = 4
_FRESH = itertools.count(1)

Change = Callable[[Application, random.Random], Application | tuple[Application, ...]]


def _fresh(application: Application) -> str:
    return f"{application.name}-pod{next(_FRESH)}"


def endpoint_added(now: Application, draw: random.Random) -> Application:
    """Let one more pod be ready."""
    if len(now.first) >= _MOST_PODS:
        return endpoint_removed(now, draw)
    return attrs.evolve(now, first=(*now.first, _fresh(now)), leaving=())


def endpoint_removed(now: Application, draw: random.Random) -> Application:
    """Take one pod away at once, never the last one."""
    if len(now.first) == 1:
        return endpoint_added(now, draw)
    gone = draw.choice(now.first)
    return attrs.evolve(now, first=_without(now.first, gone), leaving=())


def endpoint_terminating(now: Application, draw: random.Random) -> Application:
    """Let one pod terminate: it still serves, but nothing new is to be sent there."""
    if len(now.first) == 1:
        return endpoint_added(now, draw)
    gone = draw.choice(now.first)
    return attrs.evolve(now, first=_without(now.first, gone), leaving=(gone,))


def endpoints_replaced(now: Application, draw: random.Random) -> Application:
    """Replace every pod of both Services at once."""
    first = tuple(_fresh(now) for _ in range(draw.randint(1, 3)))
    return attrs.evolve(now, first=first, second=(_fresh(now),), leaving=())


def rewrite_changed(now: Application, draw: random.Random) -> Application:
    """Rewrite to another place, or not at all."""
    return attrs.evolve(now, rewrite=now.rewrite + 1 if draw.random() < 0.7 else 0)


def service_changed(now: Application, _: random.Random) -> Application:
    """Lead the host's root to the other Service."""
    return attrs.evolve(now, uses="b" if now.uses == "a" else "a")


def ingress_added_or_deleted(now: Application, draw: random.Random) -> Application:
    """Add the Ingress that takes a path of the host, or delete it."""
    return attrs.evolve(now, extra="" if now.extra else draw.choice(OURS))


def host_added_or_deleted(now: Application, _: random.Random) -> Application:
    """Add the Ingress with a host of its own, or delete it."""
    return attrs.evolve(now, guest=not now.guest)


def class_changed(now: Application, draw: random.Random) -> Application:
    """Give the Ingress to another class: of ours, or of somebody else."""
    return attrs.evolve(now, extra=draw.choice([*_without((*OURS, FOREIGN), now.extra)]))


def balancing_changed(now: Application, draw: random.Random) -> Application:
    """Choose endpoints in another way."""
    pairs = [
        ("round-robin", "false"),
        ("hashing", "false"),
        ("least-work", "false"),
        ("round-robin", "true"),
        ("least-work", "cookie"),
    ]
    pairs.remove((now.algorithm, now.sticky))
    algorithm, sticky = draw.choice(pairs)
    return attrs.evolve(now, algorithm=algorithm, sticky=sticky)


def certificate_renewed(now: Application, _: random.Random) -> Application:
    """Put a new certificate, and each second time another kind of key, into the Secret."""
    return attrs.evolve(now, certificate=now.certificate + 1)


def file_broken(now: Application, _: random.Random) -> Application:
    """Break a file and mend it, which changes nothing; the run knows how."""
    return now


def endpoints_in_a_storm(now: Application, draw: random.Random) -> tuple[Application, ...]:
    """Change the pods again and again, faster than anybody can follow."""
    states = [now]
    for _ in range(5):
        change = draw.choice((endpoint_added, endpoint_removed, endpoint_terminating))
        states.append(change(states[-1], draw))
    return tuple(states[1:])


KINDS: tuple[Change, ...] = (
    endpoint_added,
    endpoint_added,
    endpoint_removed,
    endpoint_terminating,
    endpoints_replaced,
    rewrite_changed,
    service_changed,
    ingress_added_or_deleted,
    host_added_or_deleted,
    class_changed,
    balancing_changed,
    certificate_renewed,
    file_broken,
    endpoints_in_a_storm,
)


def endless(draw: random.Random) -> Iterator[Change]:
    """Give every kind again and again, in orders that differ."""
    while True:
        yield from draw.sample(KINDS, len(KINDS))


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(each for each in names if each != name)
