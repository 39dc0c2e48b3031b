"""Every path that might have been chosen, and why another one was."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import Final

import attrs

from fsm_twisted.admin.documents.routes import backend_text
from fsm_twisted.admin.documents.world import Json, World, ref_json
from fsm_twisted.compiler.claims import precedence
from fsm_twisted.compiler.classes import why_not_ours
from fsm_twisted.compiler.paths import normal_path, path_fault
from fsm_twisted.compiler.standing import Fate, Wish
from fsm_twisted.objects.model import ObjectRef, PathType, ref_of
from fsm_twisted.routing.paths import PathTable, as_sent
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.identity import IngressId
from fsm_twisted.snapshot.model import Match, Route, VirtualHost
from fsm_twisted.snapshot.reasons import REPLIES

MOST_SHOWN: Final = 100


class Verdict(Enum):
    """What has become of a candidate."""

    CHOSEN = "chosen"
    LOST = "lost"
    REPEATED = "repeated"
    UNUSABLE = "unusable"
    OUTRANKED = "outranked"
    NO_MATCH = "no match"
    NOT_OURS = "not ours"


_ORDER: Final = (
    Verdict.CHOSEN, Verdict.LOST, Verdict.REPEATED, Verdict.UNUSABLE, Verdict.NOT_OURS,
    Verdict.OUTRANKED, Verdict.NO_MATCH,
)  # fmt: skip


class _Level(IntEnum):
    """How exactly a pattern names a host; levels are asked from the top (D7)."""

    DEFAULT = 0
    ANY_HOST = 1
    WILDCARD = 2
    EXACT = 3


@attrs.frozen
class Candidate:
    """A path of an Ingress that names the host, and why it was chosen or not."""

    ingress: ObjectRef
    where: str
    host: str
    path: str
    match: str
    backend: str
    verdict: Verdict
    why: str

    def json(self) -> Json:
        """Tell it."""
        told = attrs.asdict(self, recurse=False)
        return {**told, "ingress": ref_json(self.ingress), "verdict": self.verdict.value}


def candidates(world: World, host: str, path: str, chosen: Wish | None) -> list[Candidate]:
    """Return all candidates for *host* and *path*, the chosen one first, then by verdict."""
    found = [*_of_ours(world, host, path, chosen), *_of_others(world, host, path)]
    return sorted(found, key=lambda each: _ORDER.index(each.verdict))


def find_wish(world: World, route: Route | None) -> Wish | None:
    """Return whose wish *route* fulfils."""
    if route is None:
        return None
    part = world.standing.parts.get((route.ingress.namespace, route.ingress.name))
    wishes = () if part is None else world.standing.wishes_of(part)
    # Requests to a host whose TLS goes through have a route of their own, which nobody wrote.
    is_passed = route.refusal is REPLIES["passthrough_only"]
    return next(
        (
            each
            for each in wishes
            if each.fate is Fate.HELD
            and (each.route == route or (is_passed and each.host == route.host))
        ),
        None,
    )


def _of_ours(world: World, host: str, path: str, chosen: Wish | None) -> Iterator[Candidate]:
    for wish in world.standing.wishes():
        level = _level(wish.host, host, is_default=wish.path_type is None)
        if level is not None:
            verdict, why = _judge(world, wish, level, (host, path), chosen)
            yield _told(wish, verdict, why)


def _told(wish: Wish, verdict: Verdict, why: str) -> Candidate:
    match = "default" if wish.path_type is None else wish.path_type.value
    backend = backend_text(wish.backend)
    return Candidate(
        wish.ref, wish.where, wish.host, wish.path, match, backend, verdict, why
    )  # fmt: skip


def _level(pattern: str, host: str, *, is_default: bool) -> _Level | None:
    """Return how *pattern* names *host*; None when it does not."""
    if pattern and not ServerNames({pattern: True}).covers(as_sent(host)):
        return None
    if is_default:
        return _Level.DEFAULT
    if not pattern:
        return _Level.ANY_HOST
    return _Level.WILDCARD if pattern.startswith("*.") else _Level.EXACT


def _judge(
    world: World, wish: Wish, level: _Level, asked: tuple[str, str], chosen: Wish | None
) -> tuple[Verdict, str]:
    if chosen is not None and wish == chosen:
        return Verdict.CHOSEN, _why_chosen(level)
    if wish.fate is Fate.UNUSABLE:
        return Verdict.UNUSABLE, path_fault(wish.path) or "TLS goes through: only / has a meaning"
    if not _matches(wish, asked[1]):
        return Verdict.NO_MATCH, _why_no_match(wish)
    if wish.fate is Fate.LOST:
        return Verdict.LOST, _why_lost(world, wish)
    if wish.fate is Fate.REPEATED:
        return Verdict.REPEATED, f"{wish.holder_where} of the same Ingress has the same path"
    return Verdict.OUTRANKED, _why_outranked(level, chosen, asked[0])


def _matches(wish: Wish, path: str) -> bool:
    if wish.path_type is None:
        return True
    match = Match.EXACT if wish.path_type is PathType.EXACT else Match.PREFIX
    return _covers(normal_path(wish.path, wish.path_type), match, path)


def _covers(pattern: str, match: Match, path: str) -> bool:
    """Ask the table of the data plane, made of one route."""
    route = Route(IngressId("", ""), "", pattern, match, None)
    return PathTable.build(VirtualHost("", (route,)), lambda _: True).find(as_sent(path)) is True


def _why_chosen(level: _Level) -> str:
    match level:
        case _Level.EXACT:
            return "the host is named exactly, and no path of it matches better"
        case _Level.WILDCARD:
            return "no exact host has a matching path, and no path of the wildcard matches better"
        case _Level.ANY_HOST:
            return "no named host has a matching path, and no path without host matches better"
        case _Level.DEFAULT:
            return "no rule matches, and this is the default backend"


def _why_no_match(wish: Wish) -> str:
    if wish.path_type is PathType.EXACT:
        return "the path is another (Exact)"
    return "the path does not begin with it, element by element"


def _why_lost(world: World, wish: Wish) -> str:
    standing, route = world.standing, wish.route
    plan = standing.parts[(wish.ref.namespace, wish.ref.name)].plan
    owner = standing.hosts.get(wish.host)
    if owner is not None and owner.ref != wish.ref:
        return f"the host belongs to {owner.ref}, {precedence(owner, plan)}, for TLS goes through"
    if route is None or wish.path_type is None:
        default = standing.defaults[wish.host]
        return f"it belongs to {default.ref}, {precedence(default, plan)}"
    held = standing.claims[(route.host, route.path, route.match)]
    why = precedence(held, plan)
    if wish.path_type is PathType.IMPLEMENTATION_SPECIFIC and not held.wanted.yields:
        why = "which says Prefix, not ImplementationSpecific"
    return f"it belongs to {held.ref}, {why}"


def _why_outranked(level: _Level, chosen: Wish | None, host: str) -> str:
    if chosen is None:
        return "the request is answered before routes are asked"
    best = _level(chosen.host, host, is_default=chosen.path_type is None)
    if best is not None and best > level:
        if level is _Level.DEFAULT:
            return "a rule matches, and default backends are asked last"
        return "a host that is named more exactly has a matching path"
    if chosen.path_type is PathType.EXACT:
        return "an Exact path comes first"
    if chosen.path_type is None:
        return "the default backend of a host that is named more exactly comes first"
    return "a longer path comes first"


def _of_others(world: World, host: str, path: str) -> Iterator[Candidate]:
    inventory = world.outcome.contents.inventory
    for key, ingress in inventory.ingresses.items():
        if key in world.standing.parts:
            continue
        why = ""
        for where, rule_host, wanted in ingress.paths():
            level = _level(rule_host, host, is_default=False)
            match = Match.EXACT if wanted.path_type is PathType.EXACT else Match.PREFIX
            pattern = normal_path(wanted.path, wanted.path_type)
            if level is None or not _covers(pattern, match, path):
                continue
            why = why or why_not_ours(ingress, inventory.classes, world.options)
            yield Candidate(
                ref_of(ingress), where, rule_host, wanted.path, wanted.path_type.value,
                backend_text(wanted.backend), Verdict.NOT_OURS, why,
            )  # fmt: skip
