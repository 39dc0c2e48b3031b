"""An API server in memory: what the real one does, as far as a follower can see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test import iosim
from twisted.web.client import URI, Agent
from twisted.web.http import Request
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from fsm_twisted.sources.cluster.access import Access

Object = dict[str, Any]

_HERE = IPv4Address("TCP", "127.0.0.1", 6443)

SERVED = {
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/ingressclasses",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/api/v1/services",
    "/api/v1/secrets",
    "/api/v1/namespaces",
}


@attrs.frozen
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str | None


@attrs.define
class _Watch:
    path: str
    namespace: str
    selector: str
    request: Request


@attrs.frozen
class _Fault:
    matches: Callable[[Asked], bool]
    status: int
    headers: dict[str, str]


def always(_: Asked) -> bool:
    return True


class MemoryServer(Resource):
    """Keeps objects by collection path; every change has a version."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.served = set(SERVED)
        self.forbidden: set[str] = set()
        self.asked: list[Asked] = []
        self.version = 100
        self.oldest = 0
        self.are_tokens_expired = False
        self.accepted: str | None = None
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._history: list[tuple[int, str, str, Object]] = []
        self._pages: dict[str, list[Object]] = {}
        self._watches: list[_Watch] = []
        self._faults: list[_Fault] = []

    # What a test does to it.

    def put(self, path: str, item: Object) -> None:
        """Create or change an object."""
        self.version += 1
        metadata = {**item["metadata"], "resourceVersion": str(self.version)}
        item = {**item, "metadata": metadata}
        key = metadata.get("namespace", ""), metadata["name"]
        kept = self._objects.setdefault(path, {})
        before = kept.get(key)
        kept[key] = item
        self._happened(path, "ADDED" if before is None else "MODIFIED", item, before)

    def delete(self, path: str, namespace: str, name: str) -> None:
        self.version += 1
        item = self._objects[path].pop((namespace, name))
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        self._happened(path, "DELETED", item)

    def bookmark(self) -> None:
        """Tell every watch how far we are, as something else has changed."""
        self.version += 1
        for watch in self._watches:
            self._send(watch, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def compact(self) -> None:
        """Forget all history."""
        self.oldest = self.version

    def send(self, path: str, data: bytes) -> None:
        """Send raw bytes to the watches of a collection."""
        for watch in self._watches:
            if watch.path == path:
                watch.request.write(data)

    def end_watches(self) -> None:
        """End all watches in order, as at their timeout."""
        watches, self._watches = self._watches, []
        for watch in watches:
            watch.request.finish()

    def break_watches(self) -> None:
        """Cut the connections of all watches."""
        watches, self._watches = self._watches, []
        for watch in watches:
            connection: Any = watch.request.transport
            connection.abortConnection()

    def fail_once(self, matches: Callable[[Asked], bool], status: int, **headers: str) -> None:
        """Answer one request that matches with an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._faults.append(_Fault(matches, status, named))

    def watched(self) -> list[str]:
        return sorted(watch.path for watch in self._watches)

    def lists(self, path: str = "") -> list[Asked]:
        return [each for each in self.asked if "watch" not in each.query and path in each.path]

    def watches(self, path: str = "") -> list[Asked]:
        return [each for each in self.asked if "watch" in each.query and path in each.path]

    # What it answers.

    def render(self, request: Request) -> Any:
        asked = Asked(
            request.method.decode(),
            request.path.decode(),
            {key.decode(): values[0].decode() for key, values in request.args.items()},
            request.getHeader("authorization"),
        )
        self.asked.append(asked)
        path, namespace, name = _split(asked.path)
        if refusal := self._refusal(asked, path):
            return _status(request, refusal.status, refusal.headers)
        if name:
            found = self._objects.get(path, {}).get((namespace, name))
            return _status(request, 404) if found is None else json.dumps(found).encode()
        if "watch" in asked.query:
            return self._watch(request, path, namespace, asked.query)
        return self._list(request, path, namespace, asked.query)

    def _refusal(self, asked: Asked, path: str) -> _Fault | None:
        fault = next((each for each in self._faults if each.matches(asked)), None)
        if fault is not None:
            self._faults.remove(fault)
            return fault
        if self.accepted is not None and asked.authorization != f"Bearer {self.accepted}":
            return _Fault(always, 401, {})
        if path not in self.served:
            return _Fault(always, 404, {})
        return _Fault(always, 403, {}) if path in self.forbidden else None

    def _list(self, request: Request, path: str, namespace: str, query: dict[str, str]) -> bytes:
        limit = int(query.get("limit", "0"))
        token = query.get("continue")
        if token is not None:
            if self.are_tokens_expired:
                return _status(request, 410)
            version, rest = token.split(":")[0], self._pages.pop(token)
        else:
            version = str(self.version)
            rest = [
                item
                for (of, _), item in sorted(self._objects.get(path, {}).items())
                if namespace in {"", of} and _is_selected(item, query.get("labelSelector", ""))
            ]
        metadata = {"resourceVersion": version}
        if limit and len(rest) > limit:
            rest, more = rest[:limit], rest[limit:]
            metadata["continue"] = f"{version}:{len(self.asked)}"
            self._pages[metadata["continue"]] = more
        return json.dumps({"kind": "List", "metadata": metadata, "items": rest}).encode()

    def _watch(self, request: Request, path: str, namespace: str, query: dict[str, str]) -> Any:
        since = int(query["resourceVersion"])
        watch = _Watch(path, namespace, query.get("labelSelector", ""), request)
        if since < self.oldest:
            error = {"kind": "Status", "code": 410, "message": f"too old: {since}"}
            self._send(watch, "ERROR", error)
            request.finish()
            return NOT_DONE_YET
        request.write(b"")
        self._watches.append(watch)
        request.notifyFinish().addBoth(lambda _: self._ended(watch))
        for version, of, kind, item in self._history:
            if version > since and of == path:
                self._send(watch, kind, item)
        return NOT_DONE_YET

    def _ended(self, watch: _Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)

    def _happened(self, path: str, kind: str, item: Object, before: Object | None = None) -> None:
        self._history.append((self.version, path, kind, item))
        for watch in self._watches:
            if watch.path != path:
                continue
            # What begins to match is added, what ceases to match is deleted.
            was, is_now = (each and _is_selected(each, watch.selector) for each in (before, item))
            if kind == "MODIFIED" and was != is_now:
                self._send(watch, "ADDED" if is_now else "DELETED", item)
            elif is_now:
                self._send(watch, kind, item)

    def _send(self, watch: _Watch, kind: str, item: Object) -> None:
        of = item["metadata"].get("namespace", "") if "metadata" in item else ""
        if not watch.namespace or of in {"", watch.namespace}:
            watch.request.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")


def _is_selected(item: Object, selector: str) -> bool:
    """Whether the labels match; here every selector is one of equality."""
    name, _, value = selector.partition("=")
    return not selector or item["metadata"].get("labels", {}).get(name) == value


def _split(path: str) -> tuple[str, str, str]:
    """Return collection, namespace and name of a path."""
    parts = path.split("/")
    root = 3 if parts[1] == "api" else 4
    namespace = ""
    if parts[root] == "namespaces" and len(parts) > root + 2:
        namespace = parts[root + 1]
        del parts[root : root + 2]
    return "/".join(parts[: root + 1]), namespace, "/".join(parts[root + 1 :])


def _status(request: Request, code: int, headers: dict[str, str] | None = None) -> bytes:
    request.setResponseCode(code)
    for name, value in (headers or {}).items():
        request.setHeader(name, value)
    return json.dumps({"kind": "Status", "code": code, "message": f"no {code}"}).encode()


@implementer(IAgentEndpointFactory)
class MemoryNetwork:
    """Connections between an Agent and a server, moved by hand."""

    def __init__(self, clock: Clock, server: Resource) -> None:
        self._clock = clock
        self._site = Site(server, reactor=clock, timeout=None)
        self._pumps: list[iosim.IOPump] = []
        self.attempts: list[float] = []
        self.is_down = False
        self.is_far = False
        self.is_stuck = False
        self.agent: IAgent = Agent.usingEndpointFactory(clock, self)

    def agent_for(self, _: Access) -> IAgent:
        return self.agent

    def endpointForURI(self, _: URI) -> MemoryNetwork:  # noqa: N802  Twisted's name
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.attempts.append(self._clock.seconds())
        if self.is_far:
            return Deferred(lambda connecting: connecting.errback(ConnectingCancelledError(_HERE)))
        if self.is_down:
            return fail(Failure(Refused()))
        address = _HERE
        client = factory.buildProtocol(address)
        server = self._site.buildProtocol(address)
        assert client is not None
        assert server is not None
        self._pumps.append(
            iosim.connect(
                server,
                iosim.FakeTransport(server, isServer=True, peerAddress=address),
                client,
                iosim.FakeTransport(client, isServer=False, peerAddress=address),
                greet=False,
                clock=self._clock,
            )
        )
        return succeed(client)

    def settle(self) -> None:
        """Let everything arrive that was sent."""
        while not self.is_stuck and sum(pump.flush() for pump in self._pumps):
            pass
        self._pumps = [
            each
            for each in self._pumps
            if not (each.clientIO.disconnected and each.serverIO.disconnected)
        ]

    @property
    def open_connections(self) -> int:
        self.settle()
        return len(self._pumps)
