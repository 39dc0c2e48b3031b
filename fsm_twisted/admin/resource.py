"""What all addresses of the admin port for people have in common: who may ask, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from fsm_twisted.admin.answers import NotYet
from fsm_twisted.admin.explain.question import QuestionError
from fsm_twisted.admin.guard import Guard
from fsm_twisted.admin.query import Query, QueryError

_log = Logger()

MOST_AT_ONCE: Final = 32
_MANY: Final = frozenset({"header"})  # may be given more than once

Answer = Callable[[Query], Any]
"""Makes the members of an answer, or something to wait for that gives them."""


class AnsweringResource(Resource):
    """
    One read-only address; a subclass says how answers and errors look.

    Args:
        answer: Tells what there is to tell; may raise `QueryError`, `QuestionError`, `NotYet`.
        parameters: That it takes.
        guard: Decides who is answered.
    """

    isLeaf = True

    def __init__(self, answer: Answer, parameters: frozenset[str], guard: Guard) -> None:
        super().__init__()
        self.parameters = parameters
        self._answer = answer
        self._guard = guard
        self._under_way = 0

    def written(self, request: Request, members: Any) -> bytes:
        """Return the body of an answer, and set the headers that belong to it."""
        raise NotImplementedError

    def written_error(self, request: Request, status: int, why: str) -> bytes:
        """Return the body of an error whose status is set already."""
        raise NotImplementedError

    def render(self, request: Request) -> bytes | int:
        """Answer GET and HEAD of whoever may ask."""
        if why := self._guard.refusal(request):
            return self._error(request, 403, why)
        if request.method not in {b"GET", b"HEAD"}:
            request.setHeader(b"allow", b"GET, HEAD")
            return self._error(request, 405, "this port is read-only: use GET")
        if request.postpath and any(request.postpath):
            return self._error(request, 404, "there is no such address; /api lists them")
        if self._under_way >= MOST_AT_ONCE:
            return self._error(request, 503, "too many are asking the same at the same time")
        return self._begin(request)

    def _begin(self, request: Request) -> int:
        self._under_way += 1
        answering = Deferred.fromCoroutine(self._respond(request))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(lambda failure: failure.trap(CancelledError) and None)
        answering.addErrback(lambda failure: self._failed(request, failure))
        answering.addBoth(self._ended)
        return NOT_DONE_YET

    async def _respond(self, request: Request) -> None:
        try:
            query = Query(request.args or {}, self.parameters, _MANY)
            members = self._answer(query)
            if not isinstance(members, dict):
                members = await members
            body = self.written(request, members)
        except (QueryError, QuestionError) as error:
            body = self._error(request, 400, str(error))
        except NotYet:
            body = self._error(request, 503, "nothing has been compiled yet; /readyz says why")
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()

    def _error(self, request: Request, status: int, why: str) -> bytes:
        request.setResponseCode(status)
        return self.written_error(request, status, why)

    def _failed(self, request: Request, failure: Failure) -> None:
        _log.failure("an answer of the admin port failed", failure)
        if request.startedWriting:
            request.loseConnection()
        else:
            request.write(self._error(request, 500, "a fault of the program; see its log"))
            request.finish()

    def _ended(self, _: object) -> None:
        self._under_way -= 1
