"""Reaching the API server through a proxy: real sockets, a proxy that follows a script."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.internet.tcp import Client, Server
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from fsm_twisted.sources.cluster.access import Access, Proxy
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.cluster.body import Unreachable
from fsm_twisted.sources.cluster.proxies import find_proxy
from fsm_twisted.sources.cluster.transport import Agents
from fsm_twisted.sources.cluster.tunnel import TUNNEL_SECONDS, ConnectTunnelEndpoint
from tests.cluster.world import FixedKeeper

ANSWER = b"HTTP/1.1 200 Connection established\r\nX-Proxy: y\r\n\r\n"


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        return b'{"hello": "%b"}' % request.getHeader("host").encode()


class ScriptedProxy(Protocol):
    """Notes what it is asked, answers as it is told, and relays to a protocol of a server."""

    def __init__(self, asked: list[bytes], answer: bytes, server: Site) -> None:
        self._asked = asked
        self._answer = answer
        self._server = server
        self._head = b""
        self._inside: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self._inside is not None:
            self._inside.dataReceived(data)
            return
        self._head += data
        if b"\r\n\r\n" in self._head:
            self._asked.append(self._head)
            transport: Any = self.transport
            transport.write(self._answer)
            if b" 200 " in self._answer:
                self._inside = self._server.buildProtocol(transport.getPeer())
                self._inside.makeConnection(transport)
            else:
                transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        if self._inside is not None:
            self._inside.connectionLost(reason)


class TunnelTests(TestCase):
    timeout = 20

    async def ask(self, answer: bytes) -> tuple[Any, bytes]:
        """Ask the API server through a proxy that answers so; what came and what it was asked."""
        from twisted.internet import reactor

        clock: Any = reactor
        asked: list[bytes] = []
        site = Site(Hello())
        factory = Factory.forProtocol(lambda: ScriptedProxy(asked, answer, site))
        port: Any = await TCP4ServerEndpoint(clock, 0, interface="127.0.0.1").listen(factory)
        try:
            keeper = FixedKeeper()
            keeper.access = Access(
                "http://api.example:6443",
                proxy=find_proxy(
                    "http://api.example:6443",
                    f"http://me:p%40ss@127.0.0.1:{port.getHost().port}",
                    {},
                ),
            )
            api = Api(clock, keeper, Agents(clock).agent_for)
            try:
                came: Any = await api.request("GET", "/version")
            except Unreachable as problem:
                came = problem
        finally:
            await port.stopListening()
            while any(isinstance(each, Client | Server) for each in clock.getReaders()):
                await deferLater(clock, 0.01)
        return came, asked[0]

    async def test_requests_go_through_the_tunnel(self) -> None:
        came, asked = await self.ask(ANSWER)
        basic = base64.b64encode(b"me:p@ss")

        assert came == {"hello": "api.example:6443"}
        assert asked == (
            b"CONNECT api.example:6443 HTTP/1.1\r\nHost: api.example:6443\r\n"
            b"Proxy-Authorization: Basic " + basic + b"\r\n\r\n"
        )

    async def test_a_refusal_is_told_with_its_status(self) -> None:
        came, _ = await self.ask(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        )

        assert "opens no tunnel to api.example:6443: 407 Proxy Authentication" in str(came)
        assert "p@ss" not in str(came)

    async def test_what_is_no_http_is_told(self) -> None:
        came, _ = await self.ask(b"SSH-2.0-OpenSSH\r\n\r\n")

        assert "does not speak HTTP" in str(came)

    async def test_a_proxy_that_closes_is_told(self) -> None:
        came, _ = await self.ask(b"")

        assert "has closed the connection" in str(came)

    async def test_an_answer_without_end_is_given_up(self) -> None:
        came, _ = await self.ask(b"HTTP/1.1 407 No\r\n" + b"X: y\r\n" * 4000)

        assert "sends no end of its answer" in str(came)


class PatienceTests(SynchronousTestCase):
    def test_a_silent_proxy_is_given_up(self) -> None:
        clock = MemoryReactorClock()
        endpoint = ConnectTunnelEndpoint(
            clock, SilentEndpoint(), Proxy("proxy", 3128), "fd00::1", 443
        )
        failure = self.given_up(endpoint, clock)

        assert "does not answer within 10 s" in str(failure)

    def given_up(self, endpoint: Any, clock: Clock) -> Any:
        connecting: Deferred[Any] = endpoint.connect(Factory.forProtocol(Protocol))
        clock.advance(TUNNEL_SECONDS - 1)
        self.assertNoResult(connecting)
        clock.advance(1)
        return self.failureResultOf(connecting, Unreachable).value


@implementer(IStreamClientEndpoint)
class SilentEndpoint:
    """Connects to nobody who ever answers."""

    def connect(self, factory: Any) -> Deferred[Any]:
        protocol = factory.buildProtocol(None)
        transport: Any = StringTransportWithDisconnection()
        transport.protocol = protocol
        transport.abortConnection = transport.loseConnection
        protocol.makeConnection(transport)
        assert transport.value().startswith(b"CONNECT [fd00::1]:443 HTTP/1.1\r\n")
        return succeed(protocol)
