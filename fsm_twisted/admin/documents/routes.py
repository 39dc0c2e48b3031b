"""Every path that an Ingress wants, and what has become of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

import attrs

from fsm_twisted.admin.documents.policies import policies_json, verified_hosts
from fsm_twisted.admin.documents.world import (
    Json,
    World,
    codes_of,
    compiled_by_object,
    of_source_by_object,
    once_a_compilation,
    ref_json,
)
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.standing import Fate, Wish
from fsm_twisted.objects.model import Backend, ObjectRef, ServiceBackend
from fsm_twisted.snapshot.model import Route, Upstream
from fsm_twisted.snapshot.policy import ClientVerification, VerifyClient
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

_PATH_WORDS = ("spec.rules[", "spec.tls[", "spec.defaultBackend", "spec.backend")


class State(Enum):
    """How well a path is served, for people."""

    OK = "ok"
    DEGRADED = "degraded"
    """Requests are answered by the Service, but something about it is not as it was asked for."""
    BROKEN = "broken"
    """Requests are not answered by the Service."""


@attrs.frozen
class Judgement:
    """
    How well one wish is served.

    ``outcome`` is ``served``, ``refused``, ``no_endpoints``, ``lost``, ``repeated`` or
    ``unusable``; ``answer`` is what requests get instead of the Service's answer. ``clients`` is
    what clients of the host must show.
    """

    state: State
    outcome: str
    answer: ReplyReason | None
    upstream: Upstream | None
    findings: tuple[Finding, ...]
    clients: ClientVerification | None = None


def judge(wish: Wish, world: World) -> Judgement:
    """Say how well *wish* is served."""
    findings = tuple(_concerning(wish, world))
    route = wish.route
    state = State.DEGRADED if findings else State.OK
    if wish.fate is Fate.REPEATED:
        # Another rule of the same Ingress has the same path; without a finding, the same Service.
        return Judgement(state, wish.fate.value, None, None, findings)
    if wish.fate is not Fate.HELD or route is None:
        return Judgement(State.BROKEN, wish.fate.value, None, None, findings)
    clients = verified_hosts(world).clients_of(route.host)
    refusal = _refusal(route, clients)
    if refusal is not None:
        return Judgement(State.BROKEN, "refused", refusal, None, findings, clients)
    upstreams = world.outcome.snapshot.upstreams
    upstream = None if route.upstream is None else upstreams.get(route.upstream)
    if upstream is None or not upstream.endpoints:
        no_endpoints = REPLIES["no_endpoints"]
        return Judgement(State.BROKEN, "no_endpoints", no_endpoints, upstream, findings, clients)
    return Judgement(state, "served", None, upstream, findings, clients)


def _refusal(route: Route, clients: ClientVerification | None) -> ReplyReason | None:
    """Return what all requests of *route* get that meet its host's *clients*, None for nothing."""
    asked = route.clients
    if (clients is not None and clients.mode is VerifyClient.IMPOSSIBLE) or (
        asked is not None and (clients is None or not clients.covers(asked))
    ):
        return REPLIES["unprotected"]
    return None if route.upstream is not None else route.refusal or REPLIES["no_service"]


def _concerning(wish: Wish, world: World) -> Iterator[Finding]:
    for finding in compiled_by_object(world).get(wish.ref, ()):
        if not finding.places or any(_concerns(each, wish, world) for each in finding.places):
            yield finding
    backend = wish.backend
    if isinstance(backend, ServiceBackend):
        service = ObjectRef("Service", wish.ref.namespace, backend.service)
        yield from of_source_by_object(world).get(service, ())


def _concerns(place: str, wish: Wish, world: World) -> bool:
    """Tell whether a fault at *place* of the Ingress concerns the path of *wish*."""
    if place.startswith("spec.tls["):
        part = world.standing.parts.get((wish.ref.namespace, wish.ref.name))
        entries = () if part is None else part.tls
        return any(
            place.startswith(entry.where) and (not entry.hosts or wish.host in entry.hosts)
            for entry in entries
        )
    if place.startswith(_PATH_WORDS):
        return place == wish.where or place.startswith((f"{wish.where}.", f"{wish.where}["))
    return True


def route_rows(world: World) -> list[Json]:
    """Return all paths, those with the worst state first, otherwise by host and path."""
    rows = [route_json(wish, judge(wish, world)) for wish in world.standing.wishes()]
    return sorted([*rows, *_unreadable(world)], key=_place)


@attrs.frozen
class Summary:
    """
    How many paths are in which state, and those that are broken, by host and path.

    What cannot be read is among the broken ones, but in no number.
    """

    states: Mapping[State, int]
    broken: tuple[Json, ...]


@once_a_compilation
def summary(world: World) -> Summary:
    """Judge all paths, and tell only those that need it."""
    states: Counter[State] = Counter()
    broken = list(_unreadable(world))
    for wish in world.standing.wishes():
        judgement = judge(wish, world)
        states[judgement.state] += 1
        if judgement.state is State.BROKEN:
            broken.append(route_json(wish, judgement))
    return Summary(states, tuple(sorted(broken, key=_place)))


_ORDER: Final = (State.BROKEN.value, State.DEGRADED.value, State.OK.value)


def _place(row: Json) -> tuple[int, str, str, str]:
    return _ORDER.index(row["state"]), row["host"], row["path"], row["where"]


def route_json(wish: Wish, judgement: Judgement) -> Json:
    """Tell one path."""
    answer, upstream, route = judgement.answer, judgement.upstream, wish.route
    is_elsewhere = wish.holder is not None and wish.fate in {Fate.LOST, Fate.REPEATED}
    return {
        "state": judgement.state.value,
        "outcome": judgement.outcome,
        "ingress": ref_json(wish.ref),
        "where": wish.where,
        "host": wish.host,
        "path": wish.path,
        "match": "default" if wish.path_type is None else wish.path_type.value,
        "backend": backend_text(wish.backend),
        "answer": None if answer is None else {"status": answer.status, "code": answer.code},
        "served_instead": {"object": ref_json(wish.holder), "where": wish.holder_where}
        if is_elsewhere and wish.holder is not None
        else None,
        "rewrite": rewrite_json(route),
        "policies": None if route is None else policies_json(route, upstream, judgement.clients),
        "upstream": None if upstream is None else str(upstream.id),
        "endpoints": 0 if upstream is None else len(upstream.endpoints),
        "findings": codes_of(judgement.findings),
    }


def rewrite_json(route: Route | None) -> Json | None:
    """Tell the rewrite of a route."""
    if route is None or route.rewrite is None:
        return None
    return {"from": route.rewrite.pattern, "to": route.rewrite.template}


def backend_text(backend: Backend) -> str:
    """Tell a backend as an Ingress names it."""
    if isinstance(backend, ServiceBackend):
        return f"{backend.service}:{backend.port}"
    return f"{backend.kind} {backend.name}"


def _unreadable(world: World) -> Iterator[Json]:
    """Yield what of Ingresses cannot even be read: nobody knows their host or path."""
    for finding in world.of_source:
        if finding.object.kind != "Ingress":
            continue
        yield {
            "state": State.BROKEN.value,
            "outcome": "unreadable",
            "ingress": ref_json(finding.object),
            "where": finding.places[0] if finding.places else "",
            "host": "",
            "path": "",
            "match": "",
            "backend": "",
            "answer": None,
            "served_instead": None,
            "rewrite": None,
            "policies": None,
            "upstream": None,
            "endpoints": 0,
            "findings": [finding.reason.code],
        }
