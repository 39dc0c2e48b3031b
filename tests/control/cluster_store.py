"""Objects of an API server in memory, reached by requests that take their time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from fsm_twisted.sources.cluster.access import ApiFailure
from fsm_twisted.sources.cluster.api import ApiError, Forbidden, NotFound

Object = dict[str, Any]


@attrs.frozen
class Asked:
    """A request as it was made, and when."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    at: float


def at_once(_: Asked) -> tuple[float, float]:
    return 0.0, 0.0


class Store:
    """
    Keeps objects by path; each write has a version.

    *delays* says of a request how long it takes to the server, and its answer back. ``faults`` are
    raised one by one, for as long as there are some that match.
    """

    def __init__(self, clock: Clock, delays: Callable[[Asked], tuple[float, float]] = at_once):
        self._clock = clock
        self._delays = delays
        self.objects: dict[str, Object] = {}
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.fault: Callable[[Asked], Exception | None] = lambda _: None
        self.changed: Callable[[str], None] = lambda _: None
        self._version = 0

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Mapping[str, object]:
        asked = Asked(method, path, query or {}, copy.deepcopy(body), self._clock.seconds())
        self.asked.append(asked)
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        there, back = self._delays(asked)
        # What was sent arrives, whether or not somebody still waits for the answer.
        arrived: Deferred[Mapping[str, object]] = Deferred()
        self._clock.callLater(there, self._arrive, asked, arrived)
        try:
            answer = await arrived
            if back:
                await deferLater(self._clock, back)
        finally:
            self.in_flight -= 1
        return answer

    def _arrive(self, asked: Asked, arrived: Deferred[Mapping[str, object]]) -> None:
        try:
            answer = self._answer(asked)
        except ApiFailure as error:
            arrived.errback(error)
        else:
            arrived.callback(copy.deepcopy(answer))

    def _answer(self, asked: Asked) -> Object:
        if (fault := self.fault(asked)) is not None:
            raise fault
        match asked.method:
            case "GET":
                return self._get(asked.path)
            case "POST":
                path = f"{asked.path}/{asked.body['metadata']['name']}"
                if path in self.objects:
                    raise ApiError(409, "already exists")
                return self.put(path, asked.body)
            case "PUT":
                version = self._get(asked.path)["metadata"]["resourceVersion"]
                if asked.body["metadata"]["resourceVersion"] != version:
                    raise ApiError(409, "conflict")
                return self.put(asked.path, asked.body)
            case _:
                return self._apply(asked)

    def _get(self, path: str) -> Object:
        if path not in self.objects:
            raise NotFound(404, "not found")
        return self.objects[path]

    def _apply(self, asked: Asked) -> Object:
        path = asked.path.removesuffix("/status")
        found = self._get(path)
        uid = asked.body["metadata"].get("uid")
        if uid is not None and uid != found["metadata"].get("uid"):
            raise ApiError(409, "uid mismatch")
        status = asked.body.get("status", {})
        manager = asked.query["fieldManager"]
        metadata = {**found["metadata"], "managedFields": []}
        if status:
            fields: Object = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
            owner = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
            metadata["managedFields"] = [owner]
        return self.put(path, {**found, "metadata": metadata, "status": status})

    def put(self, path: str, item: Object) -> Object:
        """Create or replace an object."""
        self._version += 1
        metadata = {**item["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = {**item, "metadata": metadata}
        self.changed(path)
        return self.objects[path]


def forbidden(why: str = "no right") -> Forbidden:
    return Forbidden(403, why)
