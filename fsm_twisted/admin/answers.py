"""What the admin API tells of one running program, address by address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred

from fsm_twisted.admin.documents.certificates import CERTIFICATE_STATES, certificate_rows
from fsm_twisted.admin.documents.findings import finding_rows
from fsm_twisted.admin.documents.overview import overview_json, program_json, worker_rows
from fsm_twisted.admin.documents.routes import State, route_rows, summary
from fsm_twisted.admin.documents.upstreams import Live, upstream_rows
from fsm_twisted.admin.documents.world import Json, World, time_text
from fsm_twisted.admin.explain.answer import Explainer, PublicSide
from fsm_twisted.admin.explain.question import ask
from fsm_twisted.admin.history import History
from fsm_twisted.admin.query import Facet, Filters, Query, QueryError, page
from fsm_twisted.admin.tail import MOST_SHOWN, Filter, RequestTail
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.observe.live import Endpoints, WorkerFacts
from fsm_twisted.observe.report import Report
from fsm_twisted.snapshot.reasons import Severity

LONGEST_WAIT_SECONDS: Final = 30.0
_STATUS: Final = re.compile(r"|[1-5](?:[0-9]{2}|[xX]{2})")


class Serving(Protocol):
    """What is asked of the data road."""

    def report(self) -> Deferred[Report]:
        """Add up what has been counted; fires soon, and does not fail."""

    def look(self) -> Deferred[Endpoints]:
        """Ask for what is known of endpoints now; fires soon, and does not fail."""

    def workers(self) -> tuple[WorkerFacts, ...]:
        """Return the processes that serve."""


@attrs.frozen
class Instance:
    """
    The running program, as far as it is told.

    ``source`` says what is followed; ``not_ready`` why it is not ready, or ``""``.
    """

    controller: Controller
    options: CompilerOptions
    serving: Serving
    front: PublicSide
    source: Mapping[str, object]
    not_ready: Callable[[], str]
    started: datetime
    now: Callable[[], datetime]


class NotYet(Exception):
    """Nothing has been compiled yet."""


STATES: Final = tuple(each.value for each in State)
SEVERITIES: Final = tuple(each.value for each in Severity)
ROUTE_FILTERS: Final[Filters] = {
    "state": Facet(lambda row: str(row["state"]), STATES),
    "namespace": Facet(lambda row: str(row["ingress"]["namespace"])),
    "ingress": Facet(lambda row: str(row["ingress"]["name"])),
    "host": Facet(lambda row: str(row["host"])),
}
UPSTREAM_FILTERS: Final[Filters] = {
    "state": Facet(lambda row: str(row["state"]), STATES),
    "namespace": Facet(lambda row: str(row["namespace"])),
    "service": Facet(lambda row: str(row["service"])),
}
CERTIFICATE_FILTERS: Final[Filters] = {
    "state": Facet(lambda row: str(row["state"]), CERTIFICATE_STATES),
    "namespace": Facet(lambda row: str((row["secret"] or {"namespace": ""})["namespace"])),
}
FINDING_FILTERS: Final[Filters] = {
    "severity": Facet(lambda row: str(row["severity"]), SEVERITIES),
    "code": Facet(lambda row: str(row["code"])),
    "namespace": Facet(lambda row: str(row["object"]["namespace"])),
    "name": Facet(lambda row: str(row["object"]["name"])),
}
FILTERS: Final = frozenset(each.name for each in attrs.fields(Filter))
EXPLAIN_PARAMETERS: Final = frozenset({"method", "url", "client", "header"})


class Answers:
    """
    What is asked, answered for one running program.

    Args:
        instance: The program.
        history: Of its compilations.
        tail: Of its requests.
    """

    def __init__(self, instance: Instance, history: History, tail: RequestTail) -> None:
        self._instance = instance
        self._history = history
        self._tail = tail
        self._explainer = Explainer(instance.front)
        self._world: World | None = None

    def world(self) -> World:
        """
        Return what is known now.

        Raises:
            NotYet: Nothing.
        """
        of = self._instance
        self._world = world = World.of(of.controller, of.options, of.now(), self._world)
        if world is None:
            raise NotYet
        return world

    async def live(self) -> Live:
        """Ask the processes that serve."""
        serving = self._instance.serving
        looking, reporting = serving.look(), serving.report()
        endpoints, report = await looking, await reporting
        alive = sum(each.generation is not None for each in serving.workers())
        return Live(endpoints, report, alive)

    async def overview(self, query: Query) -> Json:
        """Answer ``/api/overview``."""
        del query
        of, live = self._instance, await self.live()
        now, why = of.now(), of.not_ready()
        return {
            "program": program_json(),
            "started": time_text(of.started),
            "time": time_text(now),
            "uptime_seconds": int((now - of.started).total_seconds()),
            "ready": not why,
            "not_ready": why,
            "source": dict(of.source),
            "listeners": [attrs.asdict(each) for each in of.front.listeners or ()],
            "snapshot_age_seconds": of.controller.age_seconds,
            "workers": {
                "serving": live.workers,
                "wanted": len(of.serving.workers()),
            },
            **overview_json(self.world(), live, of.front.default),
        }

    def routes(self, query: Query) -> Json:
        """Answer ``/api/routes``."""
        return page(route_rows(self.world()), query, ROUTE_FILTERS)

    def broken(self, query: Query) -> Json:
        """Answer ``/api/routes?state=broken``, more cheaply."""
        return page(list(summary(self.world()).broken), query, ROUTE_FILTERS)

    async def upstreams(self, query: Query) -> Json:
        """Answer ``/api/upstreams``."""
        live = await self.live()
        return page(upstream_rows(self.world(), live), query, UPSTREAM_FILTERS)

    def certificates(self, query: Query) -> Json:
        """Answer ``/api/certificates``."""
        rows = certificate_rows(self.world(), self._instance.front.default)
        return page(rows, query, CERTIFICATE_FILTERS)

    def findings(self, query: Query) -> Json:
        """Answer ``/api/findings``."""
        return page(finding_rows(self.world()), query, FINDING_FILTERS)

    def workers(self, query: Query) -> Json:
        """Answer ``/api/workers``."""
        del query
        return {"items": worker_rows(self._instance.serving.workers())}

    def generations(self, query: Query) -> Json:
        """Answer ``/api/generations``."""
        return page(self._history.rows(), query, {})

    async def requests(self, query: Query) -> Json:
        """Answer ``/api/requests``; with ``wait``, once there are any behind ``after``."""
        wanted = read_filter(query)
        most = query.number("limit", MOST_SHOWN, MOST_SHOWN)
        wait = query.seconds("wait", LONGEST_WAIT_SECONDS)
        after = query.number("after", 0, 10**15) if query.text("after") else None
        tail = self._tail
        tail.look()
        is_behind = after is not None and after < tail.end_position
        if wait and not is_behind and not tail.is_crowded:
            after = tail.end_position if after is None else after
            await tail.wait(wait)
            tail.look()
        seen = tail.since(after, wanted, most)
        return {"after": seen.position, "was_cut": seen.was_cut, "items": list(seen.records)}

    async def explain(self, query: Query) -> Json:
        """Answer ``/api/explain``."""
        if not query.text("url"):
            raise QueryError("url is missing: /api/explain?url=http://HOST/PATH")
        method, client = query.text("method", "GET"), query.text("client")
        question = ask(query.text("url"), method, query.texts("header"), client)
        live = await self.live()
        return self._explainer.explain(self.world(), question, live)


def read_filter(query: Query) -> Filter:
    """
    Read which requests are wanted.

    Raises:
        QueryError: A value means nothing.
    """
    if not _STATUS.fullmatch(query.text("status")):
        raise QueryError("status takes a number, such as 503, or a class, such as 5xx")
    if query.text("origin") not in {"", "upstream", "proxy"}:
        raise QueryError("origin takes upstream or proxy")
    return Filter(**{name: query.text(name) for name in FILTERS})
