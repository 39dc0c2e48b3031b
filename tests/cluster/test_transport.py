"""Connections to the API server: kept for the next request, and ended with the program."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as made
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from fsm_twisted.sources.cluster.access import Access
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.cluster.transport import Agents
from tests.cluster.world import FixedKeeper

reactor: Any = made


class Objects(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        return b"{}"


class CountingSite(Site):
    """Counts connections."""

    connections = 0
    open = 0

    def buildProtocol(self, addr: Any) -> Any:
        self.connections += 1
        self.open += 1
        protocol: Any = super().buildProtocol(addr)
        lost = protocol.connectionLost

        def ended(reason: Any) -> None:
            self.open -= 1
            lost(reason)

        protocol.connectionLost = ended
        return protocol


class TransportTests(TestCase):
    """On the real reactor: what is counted are real connections."""

    def setUp(self) -> None:
        self.site = CountingSite(Objects())
        self.listening = reactor.listenTCP(0, self.site, interface="127.0.0.1")
        self.addCleanup(self.listening.stopListening)
        self.keeper = FixedKeeper()
        self.keeper.access = Access(f"http://127.0.0.1:{self.listening.getHost().port}")

    async def ask(self, kept_seconds: int) -> Api:
        agents = Agents(reactor, kept_seconds)
        api = Api(reactor, self.keeper, agents.agent_for, agents.close)
        for _ in range(3):
            await api.request("GET", "/api")
        return api

    async def all_ended(self) -> None:
        while self.site.open:
            await deferLater(reactor, 0.01)

    def test_a_connection_is_kept_for_the_next_request_until_the_end(self) -> Deferred[None]:
        async def run() -> None:
            api = await self.ask(20)
            self.assertEqual((self.site.connections, self.site.open), (1, 1))
            api.stop()
            await self.all_ended()

        return Deferred.fromCoroutine(run())

    def test_nothing_is_kept_unless_asked_for(self) -> Deferred[None]:
        async def run() -> None:
            await self.ask(0)
            await self.all_ended()
            self.assertEqual(self.site.connections, 3)

        return Deferred.fromCoroutine(run())
