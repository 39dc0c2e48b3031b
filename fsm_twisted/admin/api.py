"""
The read-only API of the admin port: ``/api/…``, JSON, for the dashboard, the CLI and scripts.

Answers are made in one turn of the master, which serves no requests itself but with
``--workers 0``. Whatever must be asked of workers is asked before.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from fsm_twisted.admin.answers import (
    CERTIFICATE_FILTERS,
    EXPLAIN_PARAMETERS,
    FILTERS,
    FINDING_FILTERS,
    ROUTE_FILTERS,
    UPSTREAM_FILTERS,
    Answers,
)
from fsm_twisted.admin.documents.world import Json, versioned
from fsm_twisted.admin.guard import Guard
from fsm_twisted.admin.query import encoded, names_of
from fsm_twisted.admin.resource import Answer, AnsweringResource


class ApiResource(AnsweringResource):
    """
    One address of the API.

    Args:
        kind: What it tells.
        answer: Tells it, as for every `AnsweringResource`.
        parameters: That it takes.
        guard: Decides who is answered.
    """

    def __init__(
        self, kind: str, answer: Answer, parameters: frozenset[str], guard: Guard
    ) -> None:
        super().__init__(answer, parameters, guard)
        self.kind = kind

    def written(self, request: Request, members: Any) -> bytes:
        """Return the answer as JSON."""
        return _json(request, versioned(self.kind, members))

    def written_error(self, request: Request, status: int, why: str) -> bytes:
        """Return the error as JSON."""
        return _json(request, versioned("Error", {"status": status, "error": why}))


def _json(request: Request, document: Json) -> bytes:
    request.setHeader(b"content-type", b"application/json")
    return encoded(document)


def api(answers: Answers, guard: Guard) -> Resource:
    """Build ``/api`` and everything below it."""
    none: frozenset[str] = frozenset()
    table: tuple[tuple[str, str, Answer, frozenset[str]], ...] = (
        ("overview", "Overview", answers.overview, none),
        ("routes", "Routes", answers.routes, names_of(ROUTE_FILTERS)),
        ("upstreams", "Upstreams", answers.upstreams, names_of(UPSTREAM_FILTERS)),
        ("certificates", "Certificates", answers.certificates, names_of(CERTIFICATE_FILTERS)),
        ("findings", "Findings", answers.findings, names_of(FINDING_FILTERS)),
        ("workers", "Workers", answers.workers, none),
        ("generations", "Generations", answers.generations, names_of({})),
        ("requests", "Requests", answers.requests, FILTERS | {"after", "wait", "limit"}),
        ("explain", "Explanation", answers.explain, EXPLAIN_PARAMETERS),
    )
    listed = [
        {"path": f"/api/{name}", "kind": kind, "parameters": sorted(parameters)}
        for name, kind, _, parameters in table
    ]
    root = _Root("Api", lambda _: {"addresses": listed}, none, guard)
    for name, kind, answer, parameters in table:
        root.putChild(name.encode("ascii"), ApiResource(kind, answer, parameters, guard))
    return root


class _Root(ApiResource):
    """``/api`` itself, which says what there is; what is unknown below it gets JSON too."""

    isLeaf = False

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return what answers an address that does not exist."""
        request.postpath = [path, *(request.postpath or [])]
        return ApiResource(self.kind, self._answer, self.parameters, self._guard)
