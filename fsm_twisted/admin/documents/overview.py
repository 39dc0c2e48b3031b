"""The whole at one glance, and the processes that serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from fsm_twisted._version import __version__
from fsm_twisted.admin.documents.certificates import certificate_states
from fsm_twisted.admin.documents.findings import finding_rows
from fsm_twisted.admin.documents.routes import State, summary
from fsm_twisted.admin.documents.upstreams import Live
from fsm_twisted.admin.documents.world import Json, World, once_a_compilation
from fsm_twisted.observe.live import WorkerFacts
from fsm_twisted.observe.report import Number
from fsm_twisted.snapshot.model import CertificateEntry

_WORST = 10


@attrs.frozen
class ListenerFacts:
    """Where clients connect: ``http`` or ``https``, and an address as text."""

    kind: str
    address: str


def overview_json(world: World, live: Live, default: CertificateEntry | None) -> Json:
    """Tell how many there are of everything, in which state, and the worst findings."""
    return {
        **_compiled(world),
        "certificates": dict(Counter(certificate_states(world, default))),
        "traffic": traffic_json(live),
    }


@once_a_compilation
def _compiled(world: World) -> Json:
    snapshot, routes, findings = world.outcome.snapshot, summary(world).states, finding_rows(world)
    return {
        "generation": snapshot.generation,
        "hosts": len(snapshot.hosts),
        "routes": {state.value: routes.get(state, 0) for state in State},
        "ingresses": len(world.outcome.compiled.ours),
        "ingresses_of_others": len(world.outcome.contents.inventory.ingresses)
        - len(world.outcome.compiled.ours),
        "upstreams": len(snapshot.upstreams),
        "endpoints": len({e for each in snapshot.upstreams.values() for e in each.endpoints}),
        "findings": {
            "error": sum(each["severity"] == "error" for each in findings),
            "warning": sum(each["severity"] == "warning" for each in findings),
            "by_code": dict(Counter(each["code"] for each in findings)),
        },
        "worst": findings[:_WORST],
    }


def traffic_json(live: Live) -> Json:
    """Tell what is counted over all processes since the start."""
    report = live.report
    classes: Counter[str] = Counter()
    for counts in report.upstreams.values():
        for (_, digit), number in counts.requests.items():
            classes[f"{digit}xx"] += number
    return {
        "requests": sum(classes.values()),
        "by_status": dict(sorted(classes.items())),
        "replies_by_reason": _replies(report.counters),
        "connections": report.gauges.get("connections", 0),
        "in_flight": report.gauges.get("requests_in_flight", 0),
        "endpoints_ejected": report.gauges.get("endpoints_ejected", 0),
    }


def _replies(counters: Mapping[str, Number]) -> Json:
    begin = 'replies_total{reason="'
    return {
        name.removeprefix(begin).removesuffix('"}'): number
        for name, number in sorted(counters.items())
        if name.startswith(begin)
    }


def worker_rows(workers: Iterable[WorkerFacts]) -> list[Json]:
    """Tell the processes that serve."""
    return [attrs.asdict(each) for each in workers]


def program_json() -> Json:
    """Tell which program this is."""
    return {"name": "fsm-ingress", "version": __version__}
