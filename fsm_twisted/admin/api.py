"""
The read-only API of the admin port: ``/api/…``, JSON, for the dashboard, the CLI and scripts.

Answers are made in one turn of the master, which serves no requests itself but with
``--workers 0``. Whatever must be asked of workers is asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from fsm_twisted.admin.answers import (
    CERTIFICATE_FILTERS,
    FILTERS,
    FINDING_FILTERS,
    ROUTE_FILTERS,
    UPSTREAM_FILTERS,
    Answers,
    NotYet,
)
from fsm_twisted.admin.documents.world import Json, versioned
from fsm_twisted.admin.explain.question import QuestionError
from fsm_twisted.admin.guard import Guard
from fsm_twisted.admin.query import Query, QueryError, encoded, names_of

_log = Logger()

MOST_AT_ONCE: Final = 32
_MANY: Final = frozenset({"header"})  # may be given more than once


Answer = Callable[[Query], Any]
"""Makes the members of an answer, or something to wait for that gives them."""


class ApiResource(Resource):
    """
    One address of the API.

    Args:
        kind: What it tells.
        answer: Tells it; may raise `QueryError`, `QuestionError`, `NotYet`.
        parameters: That it takes.
        guard: Decides who is answered.
    """

    isLeaf = True

    def __init__(
        self,
        kind: str,
        answer: Answer,
        parameters: frozenset[str],
        guard: Guard,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.parameters = parameters
        self._answer = answer
        self._guard = guard
        self._under_way = 0

    def render(self, request: Request) -> bytes | int:
        """Answer GET and HEAD of whoever may ask."""
        if why := self._guard.refusal(request):
            return _error(request, 403, why)
        if request.method not in {b"GET", b"HEAD"}:
            request.setHeader(b"allow", b"GET, HEAD")
            return _error(request, 405, "the API is read-only: use GET")
        if request.postpath and any(request.postpath):
            return _error(request, 404, "there is no such address; /api lists them")
        if self._under_way >= MOST_AT_ONCE:
            return _error(request, 503, "too many are asking the same at the same time")
        return self._begin(request)

    def _begin(self, request: Request) -> int:
        self._under_way += 1
        answering = Deferred.fromCoroutine(self._respond(request))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(lambda failure: failure.trap(CancelledError) and None)
        answering.addErrback(lambda failure: _failed(request, failure))
        answering.addBoth(self._ended)
        return NOT_DONE_YET

    async def _respond(self, request: Request) -> None:
        try:
            query = Query(request.args or {}, self.parameters, _MANY)
            members = self._answer(query)
            if not isinstance(members, dict):
                members = await members
            body = _json(request, versioned(self.kind, members))
        except (QueryError, QuestionError) as error:
            body = _error(request, 400, str(error))
        except NotYet:
            body = _error(request, 503, "nothing has been compiled yet; /readyz says why")
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()

    def _ended(self, _: object) -> None:
        self._under_way -= 1


def _json(request: Request, document: Json) -> bytes:
    request.setHeader(b"content-type", b"application/json")
    return encoded(document)


def _error(request: Request, status: int, why: str) -> bytes:
    request.setResponseCode(status)
    return _json(request, versioned("Error", {"status": status, "error": why}))


def _failed(request: Request, failure: Failure) -> None:
    _log.failure("an answer of the admin API failed", failure)
    if request.startedWriting:
        request.loseConnection()
    else:
        request.write(_error(request, 500, "a fault of the program; see its log"))
        request.finish()


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
        (
            "explain",
            "Explanation",
            answers.explain,
            frozenset({"method", "url", "client", *_MANY}),
        ),
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
