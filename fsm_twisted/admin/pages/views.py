"""What is on each page: the answers of the API, arranged for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from fsm_twisted.admin.answers import (
    CERTIFICATE_FILTERS,
    EXPLAIN_PARAMETERS,
    FILTERS,
    ROUTE_FILTERS,
    UPSTREAM_FILTERS,
    Answers,
    read_filter,
)
from fsm_twisted.admin.documents.world import Json
from fsm_twisted.admin.explain.question import QuestionError
from fsm_twisted.admin.query import Query, QueryError, names_of

ROWS: Final = 100
"""So many rows on a page."""
_WORST: Final = 50


class Views:
    """
    Makes what is on the pages.

    Args:
        answers: What the API says.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def overview(self, query: Query) -> Json:
        """Return the state of everything, and what is broken."""
        told = await self._answers.overview(query)
        findings = self._answers.findings(_query({"limit": str(_WORST)}))
        broken = self._answers.broken(_query({"limit": "20"}))
        return {"it": told, "findings": findings, "broken": broken}

    def routes(self, query: Query) -> Json:
        """Return a page of routes, the worst first."""
        return _listed(query, ROUTE_FILTERS, self._answers.routes(_paged(query, ROUTE_FILTERS)))

    async def route(self, query: Query) -> Json:
        """
        Return one path of an Ingress, from the listener to the endpoints.

        Raises:
            QueryError: There is no such path (any more).
        """
        answers = self._answers
        asked = {name: query.text(name) for name in ("namespace", "ingress")}
        found = answers.routes(_query({**asked, "limit": "5000"}))["items"]
        row = next((each for each in found if each["where"] == query.text("where")), None)
        if row is None:
            raise QueryError("no Ingress has this path (any more)")
        upstreams = await answers.upstreams(_query({"limit": "5000"}))
        upstream = next((u for u in upstreams["items"] if u["id"] == row["upstream"]), None)
        findings = answers.findings(_query({**_named(row), "limit": "100"}))["items"]
        overview = await answers.overview(_query({}))
        return {
            "row": row,
            "upstream": upstream,
            "findings": [each for each in findings if each["code"] in row["findings"]],
            "listeners": overview["listeners"],
        }

    async def upstreams(self, query: Query) -> Json:
        """Return a page of upstreams with their endpoints."""
        found = await self._answers.upstreams(_paged(query, UPSTREAM_FILTERS))
        return _listed(query, UPSTREAM_FILTERS, found)

    def certificates(self, query: Query) -> Json:
        """Return the certificates, those in trouble first."""
        found = self._answers.certificates(_paged(query, CERTIFICATE_FILTERS))
        return _listed(query, CERTIFICATE_FILTERS, found)

    async def requests(self, query: Query) -> Json:
        """Return the last requests; the script goes on from there."""
        read_filter(query)
        told = await self._answers.requests(query)
        wanted = {name: query.text(name) for name in sorted(FILTERS)}
        return {**told, "wanted": wanted}

    def changes(self, query: Query) -> Json:
        """Return what has changed, the newest first."""
        return self._answers.generations(query)

    async def explain(self, query: Query) -> Json:
        """Return the explanation of a request, or the empty question."""
        lines = "\n".join(query.texts("header"))
        fields = [line for line in lines.splitlines() if line.strip()]
        asked = {name: query.text(name) for name in ("url", "method", "client")}
        found, why = None, ""
        if asked["url"].strip():
            given = {name: [value.strip()] for name, value in asked.items() if value.strip()}
            try:
                found = await self._answers.explain(_query_of({**given, "header": fields}))
            except (QuestionError, QueryError) as error:
                why = str(error)
        return {"asked": {**asked, "header": "\n".join(fields)}, "found": found, "why": why}


def _named(row: Json) -> dict[str, str]:
    return {"namespace": row["ingress"]["namespace"], "name": row["ingress"]["name"]}


def _query(values: dict[str, str]) -> Query:
    """Return a query of our own."""
    return _query_of({name: [value] for name, value in values.items() if value})


def _query_of(values: dict[str, list[str]]) -> Query:
    raw = {name.encode(): [each.encode() for each in found] for name, found in values.items()}
    return Query(raw, frozenset(values), frozenset({"header"}))


def _paged(query: Query, filters: Any) -> Query:
    """Return *query* with the length of a page of ours."""
    values = {name: query.text(name) for name in (*filters, "q", "offset")}
    return _query({**values, "limit": str(ROWS)})


def _listed(query: Query, filters: Any, found: Json) -> Json:
    """Add to a page of rows what was asked for, and where the pages around it are."""
    wanted = {name: query.text(name) for name in (*filters, "q")}
    offset, total = found["offset"], found["total"]
    before = _link(wanted, max(offset - ROWS, 0)) if offset else ""
    after = _link(wanted, offset + ROWS) if offset + ROWS < total else ""
    return {**found, "wanted": wanted, "before": before, "after": after}


def _link(wanted: dict[str, str], offset: int) -> str:
    given = {name: value for name, value in wanted.items() if value}
    return f"?{urlencode({**given, 'offset': offset})}"


@attrs.frozen
class View:
    """
    One page: its address below ``/dashboard/``, and how it is made.

    ``tab`` is the address under which it is found, where it has no tab of its own.
    """

    name: str
    title: str
    template: str
    members: Callable[[Views, Query], Any]
    parameters: frozenset[str] = frozenset()
    tab: str = ""
    is_tab: bool = True


VIEWS: Final = (
    View("", "Overview", "overview.html", Views.overview),
    View("routes", "Routes", "routes.html", Views.routes, names_of(ROUTE_FILTERS)),
    View(
        "route",
        "Route",
        "route.html",
        Views.route,
        frozenset({"namespace", "ingress", "where"}),
        tab="routes",
        is_tab=False,
    ),
    View("services", "Services", "services.html", Views.upstreams, names_of(UPSTREAM_FILTERS)),
    View(
        "certificates",
        "Certificates",
        "certificates.html",
        Views.certificates,
        names_of(CERTIFICATE_FILTERS),
    ),
    View("requests", "Requests", "requests.html", Views.requests, FILTERS),
    View("changes", "Changes", "changes.html", Views.changes, names_of({})),
    View("explain", "Explain", "explain.html", Views.explain, EXPLAIN_PARAMETERS),
)
