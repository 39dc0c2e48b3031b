"""What changes for clients between two sets of manifests; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fsm_twisted.admin.documents.findings import finding_json
from fsm_twisted.admin.documents.policies import VerifiedHosts, policies_json
from fsm_twisted.admin.documents.routes import rewrite_json
from fsm_twisted.admin.documents.world import Json, World
from fsm_twisted.compiler.certificates import describe_leaf
from fsm_twisted.routing.paths import as_sent
from fsm_twisted.routing.router import Router, build_router
from fsm_twisted.snapshot.model import Route, Snapshot

Key = tuple[str, str, str]
_SAMPLE_LABEL: Final = "any"
_UNKNOWN: Final = "a-host-that-no-rule-names.invalid"


def differences(old: World, new: World) -> list[Json]:
    """
    Return what changes: routes by host and path, hosts of TLS, certificates, findings.

    An item has ``what``, ``change`` (``added``, ``removed``, ``changed``), ``name``, ``old`` and
    ``new``; of a route that comes or goes, ``old`` and ``new`` are who answers its path before
    and afterwards, whichever route that is.
    """
    return [
        *_routes(old.outcome.snapshot, new.outcome.snapshot),
        *_tables("tls host", _tls_hosts(old), _tls_hosts(new)),
        *_tables("certificate", _certificates(old), _certificates(new)),
        *_tables("tls passthrough", _passthrough(old), _passthrough(new)),
        *_findings(old, new),
    ]


def _routes(old: Snapshot, new: Snapshot) -> Iterator[Json]:
    before, after = _by_key(old), _by_key(new)
    routers = (_router(old), _router(new))
    hosts = (VerifiedHosts(old), VerifiedHosts(new))
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        name = f"{key[2]} {key[1]} of {key[0] or 'every host'}"
        if was is not None and now is not None:
            told = (_route(was, old, hosts[0]), _route(now, new, hosts[1]))
            if told[0] != told[1]:
                yield _item("route", "changed", name, *_only_different(*told))
            continue
        answers = tuple(_answer(router, key) for router in routers)
        change = "removed" if now is None else "added"
        yield _item("route", change, name, {"goes to": answers[0]}, {"goes to": answers[1]})


def _by_key(snapshot: Snapshot) -> Mapping[Key, Route]:
    found: dict[Key, Route] = {}
    for host in snapshot.hosts.values():
        for route in host.routes:
            found[(host.host, route.path, route.match.value)] = route
        if host.default is not None:
            found[(host.host, "", "default")] = host.default
    if snapshot.default is not None:
        found[("", "", "default")] = snapshot.default
    return found


def _router(snapshot: Snapshot) -> Router[str]:
    return build_router(snapshot, _goes_to)


def _answer(router: Router[str], key: Key) -> str:
    """Say who answers a request that this route is for, by the router of the data plane."""
    host, path, match = key
    sample = host.replace("*", _SAMPLE_LABEL, 1) or _UNKNOWN
    target = path or "/"
    if match == "prefix" and path != "/":
        target = f"{path}/"
    return router.match(as_sent(sample), as_sent(target)) or "404 no_route"


def _goes_to(route: Route) -> str:
    by = f"by {route.match.value} {route.path} of Ingress {route.ingress}"
    if route.upstream is None:
        code = route.refusal.code if route.refusal is not None else "no_service"
        status = route.refusal.status if route.refusal is not None else 503
        return f"{status} {code} {by}"
    return f"Service {route.upstream.service_port} {by}"


def _route(route: Route, snapshot: Snapshot, hosts: VerifiedHosts) -> Json:
    upstream = snapshot.upstreams.get(route.upstream) if route.upstream is not None else None
    rewrite = rewrite_json(route)
    told: Json = {
        "goes to": _goes_to(route),
        "rewrite": "none" if rewrite is None else f"{rewrite['from']} becomes {rewrite['to']}",
        "plain HTTP": route.plain.value,
        "endpoints": [] if upstream is None else [str(each) for each in upstream.endpoints],
    }
    return {**told, **policies_json(route, upstream, hosts.clients_of(route.host))}


def _only_different(old: Json, new: Json) -> tuple[Json, Json]:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: old.get(name) for name in names}, {name: new.get(name) for name in names}


def _tls_hosts(world: World) -> Mapping[str, Json]:
    return {host: {} for host in world.outcome.snapshot.tls_hosts}


def _certificates(world: World) -> Mapping[str, Json]:
    found: dict[str, Json] = {}
    for host, entry in world.outcome.snapshot.certificates.items():
        leaf = describe_leaf(entry.chain_pem)
        if leaf is not None:
            found[host] = {"fingerprint": leaf.fingerprint, "not after": str(leaf.not_after)}
    return found


def _passthrough(world: World) -> Mapping[str, Json]:
    ways = world.outcome.snapshot.passthrough
    return {host: {"goes to": _goes_to(route)} for host, route in ways.items()}


def _findings(old: World, new: World) -> Iterator[Json]:
    # Files move, lines shift: where something stands is no difference of behaviour.
    before, after = _told(old), _told(new)
    yield from _tables("finding", before, after)


def _told(world: World) -> Mapping[str, Json]:
    found = {}
    for each in world.outcome.findings:
        if each.object.kind != "File":
            name = f"{each.object}: {each.reason.code}: {each.message}"
            found[name] = {"remedy": finding_json(each)["remedy"]}
    return found


def _tables(what: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Json]:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        change = "added" if was is None else "removed" if now is None else "changed"
        yield _item(what, change, name, was, now)


def _item(what: str, change: str, name: str, old: Json | None, new: Json | None) -> Json:
    return {"what": what, "change": change, "name": name, "old": old, "new": new}
