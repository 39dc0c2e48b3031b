"""The whole explanation of one request, as a JSON value."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final

import attrs

from fsm_twisted.admin.documents.certificates import leaf_json
from fsm_twisted.admin.documents.findings import finding_json
from fsm_twisted.admin.documents.overview import ListenerFacts
from fsm_twisted.admin.documents.policies import policies_json, verified_hosts
from fsm_twisted.admin.documents.routes import backend_text, judge, rewrite_json, route_json
from fsm_twisted.admin.documents.upstreams import Live, endpoint_rows
from fsm_twisted.admin.documents.world import Json, World, compiled_by_object, ref_json
from fsm_twisted.admin.explain.candidates import (
    MOST_SHOWN,
    Candidate,
    Verdict,
    candidates,
    find_wish,
)
from fsm_twisted.admin.explain.decision import Answered, Decider, Decision, Forwarded
from fsm_twisted.admin.explain.question import Question
from fsm_twisted.compiler.certificates import describe_leaf
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.standing import Wish
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.model import CertificateEntry, Upstream
from fsm_twisted.snapshot.policy import (
    Affinity,
    Algorithm,
    Balancing,
    ClientVerification,
    VerifyClient,
)
from fsm_twisted.snapshot.reasons import Severity

_MOST_HOSTS: Final = 5000
_MOST_FINDINGS: Final = 50


@attrs.frozen
class PublicSide:
    """
    What is known of the side that clients see.

    ``listeners`` is None where nothing runs: then clients of both kinds are assumed to connect.
    ``default`` is the certificate for unknown server names.
    """

    options: ProxyOptions = attrs.field(factory=ProxyOptions)
    listeners: tuple[ListenerFacts, ...] | None = None
    default: CertificateEntry | None = None


class Explainer:
    """
    Explains requests of one installation; remembers tables from one question to the next.

    Args:
        front: The side that clients see.
    """

    def __init__(self, front: PublicSide) -> None:
        self._front = front
        self._decider = Decider(front.options)

    def explain(self, world: World, question: Question, live: Live) -> Json:
        """Say what becomes of a request, and why."""
        listener = _listener(question, self._front.listeners)
        decision = self._decider.decide(world.outcome.snapshot, question, live)
        wish = find_wish(world, decision.route)
        found: list[Candidate] = []
        if decision.host:
            found = candidates(world, decision.host, decision.path, wish)
        outcome = _outcome(decision)
        if not listener["is_open"]:
            outcome = _unreachable(question)
        upstream = _upstream_of(decision, world)
        return {
            "summary": _summary(question, decision, outcome) + _afterwards(decision, wish, world),
            "request": _request(question, decision),
            "listener": listener,
            # Where TLS goes through, the certificate is the endpoint's own.
            "certificate": None if decision.is_passed else self._certificate(question, world),
            "outcome": outcome,
            "route": None if wish is None else route_json(wish, judge(wish, world)),
            "rewrite": _rewrite(decision),
            "policies": None
            if decision.route is None
            else policies_json(decision.route, upstream, _clients_of(decision, world)),
            "upstream": None
            if upstream is None
            else {"id": str(upstream.id), "endpoints": endpoint_rows(upstream, live)},
            "endpoint": _endpoint(decision),
            "candidates": [each.json() for each in found[:MOST_SHOWN]],
            "candidates_total": len(found),
            "findings": _findings(world, found),
            "hints": list(_hints(world, decision, found)),
        }

    def _certificate(self, question: Question, world: World) -> Json | None:
        if not question.is_secure:
            return None
        name = question.server_name.encode("ascii")
        snapshot = world.outcome.snapshot
        entry = ServerNames(snapshot.certificates).lookup(name) if name else None
        pattern = next((p for p, e in snapshot.certificates.items() if e is entry), "")
        owner = world.standing.owners.get(pattern) if entry is not None else None
        shown = self._front.default if entry is None else entry
        leaf = None if shown is None else describe_leaf(shown.chain_pem)
        told = leaf_json(leaf, world.now)
        return {
            "server_name": question.server_name,
            "secret": None
            if owner is None
            else ref_json(ObjectRef("Secret", owner.ref.namespace, owner.secret_name)),
            "ingress": None if owner is None else ref_json(owner.ref),
            "is_default": entry is None,
            "covers_host": _covers(told["names"] or (), question.server_name),
            **told,
        }


def _clients_of(decision: Decision, world: World) -> ClientVerification | None:
    """Return what the host of the request, or else that of its route, wants to be shown."""
    hosts = verified_hosts(world)
    asked = hosts.clients_of(decision.host)
    if asked is None and decision.route is not None:
        return hosts.clients_of(decision.route.host)
    return asked


def _covers(names: Collection[str], host: str) -> bool:
    return bool(host) and ServerNames(dict.fromkeys(names, True)).covers(host.encode("ascii"))


def _listener(question: Question, listeners: tuple[ListenerFacts, ...] | None) -> Json:
    if listeners is None:
        return {"kind": question.scheme, "addresses": [], "is_open": True}
    addresses = [each.address for each in listeners if each.kind == question.scheme]
    return {"kind": question.scheme, "addresses": addresses, "is_open": bool(addresses)}


def _request(question: Question, decision: Decision) -> Json:
    return {
        "method": question.method,
        "url": question.url,
        "scheme": question.scheme,
        "host": decision.host,
        "path": decision.path,
        "client": question.client,
    }


def _outcome(decision: Decision) -> Json:
    if isinstance(decision, Forwarded):
        kind = "passed" if decision.is_passed else "forwarded"
        return {"kind": kind, "status": None, "code": None, "text": None, "location": None}
    reason = decision.reason
    kind = "redirected" if decision.location else "closed" if decision.is_passed else "answered"
    return {
        "kind": kind,
        "status": None if decision.is_passed else reason.status,
        "code": reason.code,
        "text": decision.detail or reason.meaning,
        "location": decision.location or None,
    }


def _unreachable(question: Question) -> Json:
    text = f"nothing listens for {question.scheme} (--{question.scheme})"
    return {"kind": "unreachable", "status": None, "code": None, "text": text, "location": None}


def _summary(question: Question, decision: Decision, outcome: Json) -> str:
    what = f"{question.method} {question.url}"
    if outcome["kind"] == "unreachable":
        return f"{what} reaches nobody: {outcome['text']}"
    if isinstance(decision, Forwarded):
        port = decision.upstream.id.service_port
        route = decision.route
        if decision.is_passed:
            what = f"TLS of {decision.host}, unopened,"
        return (
            f"{what} goes to Service {port}, endpoint {decision.endpoint}, "
            f"by path {route.path} of Ingress {route.ingress}"
        )
    if decision.is_passed:
        return (
            f"{what}: the TLS connection closes, unopened ({outcome['code']}): {outcome['text']}"
        )
    if decision.location:
        return f"{what} is redirected to {decision.location} ({outcome['code']})"
    return f"{what} gets {outcome['status']} from the proxy ({outcome['code']}): {outcome['text']}"


def _afterwards(decision: Decision, wish: Wish | None, world: World) -> str:
    """Say what waits where a redirect leads."""
    if not isinstance(decision, Answered) or not decision.location:
        return ""
    if wish is None:
        return "; there, no route answers (404 no_route)"
    judged = judge(wish, world)
    if judged.answer is not None:
        return f"; there, it gets {judged.answer.status} ({judged.answer.code})"
    ingress = f"{wish.ref.namespace}/{wish.ref.name}"
    return f"; there, it goes to {backend_text(wish.backend)} by Ingress {ingress}"


def _rewrite(decision: Decision) -> Json | None:
    told = rewrite_json(decision.route)
    if told is None or not isinstance(decision, Forwarded):
        return told
    return {**told, "before": decision.path, "after": decision.target.partition("?")[0]}


def _upstream_of(decision: Decision, world: World) -> Upstream | None:
    if isinstance(decision, Forwarded):
        return decision.upstream
    route = decision.route
    if route is None or route.upstream is None:
        return None
    return world.outcome.snapshot.upstreams.get(route.upstream)


def _endpoint(decision: Decision) -> Json | None:
    if not isinstance(decision, Forwarded):
        return None
    upstream = decision.upstream
    return {
        "endpoint": str(decision.endpoint),
        "target": decision.target,
        "is_sure": decision.is_sure,
        "how": how_picked(upstream.balancing, len(upstream.endpoints)),
    }


def how_picked(balancing: Balancing, endpoints: int) -> str:
    """Say how one of so many endpoints is picked."""
    if endpoints == 1:
        return "the only endpoint"
    hash_by = balancing.hash_by
    rest = {
        Algorithm.ROUND_ROBIN: f"round-robin: each of {endpoints} in turn, in every worker",
        Algorithm.LEAST_WORK: f"least-work: of {endpoints} the one with the fewest requests",
        Algorithm.HASHING: f"hashing by {hash_by.source.value} {hash_by.name}".rstrip(),
    }[balancing.algorithm]
    match balancing.affinity:
        case Affinity.CLIENT_IP:
            return "sticky: by the client's address, always the same one"
        case Affinity.COOKIE:
            return f"sticky: the endpoint of the cookie; without one, {rest}"
        case Affinity.NONE:
            return rest


def _findings(world: World, found: Iterable[Candidate]) -> list[Json]:
    """Return the findings of whatever takes part, and of Ingresses that cannot be read."""
    concerned = [each.ingress for each in found if each.verdict is not Verdict.NO_MATCH]
    told: list[Finding] = []
    for ref in dict.fromkeys(concerned):
        told += compiled_by_object(world).get(ref, ())
    told += (each for each in world.of_source if each.object.kind in {"Ingress", "File"})
    told.sort(key=lambda each: each.reason.severity is not Severity.ERROR)
    return [finding_json(each) for each in told[:_MOST_FINDINGS]]


def _hints(world: World, decision: Decision, found: list[Candidate]) -> Iterator[str]:
    """Yield what a person may have meant, or has to have."""
    clients = _clients_of(decision, world)
    if isinstance(decision, Forwarded) and clients is not None and not decision.is_passed:
        is_must = clients.mode is VerifyClient.ON
        must = "must show" if is_must else "may show, and is taken to have shown,"
        yield f"a client of {decision.host} {must} a certificate of a trusted authority"
    if not isinstance(decision, Answered) or decision.reason.code != "no_route":
        return
    hosts = list(islice(filter(None, world.outcome.snapshot.hosts), _MOST_HOSTS))
    if decision.host not in hosts:
        for near in difflib.get_close_matches(decision.host, hosts, n=3, cutoff=0.75):
            yield f"no Ingress of ours names this host; did you mean {near}?"
    if any(each.verdict is Verdict.NOT_OURS for each in found):
        yield "an Ingress of another class wants it: look at spec.ingressClassName"
    if not world.outcome.compiled.ours:
        yield "no Ingress is ours at all: look at spec.ingressClassName and --ingress-class"
