"""A tunnel through a proxy: CONNECT (RFC 9110 section 9.3.6), then whatever is spoken inside."""

from __future__ import annotations

import re
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from fsm_twisted.sources.cluster.access import Proxy
from fsm_twisted.sources.cluster.body import Unreachable

TUNNEL_SECONDS: Final = 10.0
_HEAD_LIMIT_BYTES: Final = 16 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([ -~]{0,100}))?")


@implementer(IStreamClientEndpoint)
class ConnectTunnelEndpoint:
    """
    Connects to ``host:port`` by way of a proxy.

    Args:
        clock: The reactor.
        outer: Leads to the proxy.
        proxy: What it is asked with.
        host: The name or address that the proxy is to connect to.
        port: The port there.
    """

    def __init__(
        self, clock: IReactorTime, outer: IStreamClientEndpoint, proxy: Proxy, host: str, port: int
    ) -> None:
        self._clock = clock
        self._outer = outer
        self._proxy = proxy
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect a protocol of *factory* to the other end of a tunnel.

        Returns:
            Fires with the protocol when the tunnel stands. Fails with `Unreachable` when the proxy
            refuses or does not answer in time, and as the endpoint of the proxy does. Cancelling
            it closes the connection.
        """
        opening = _Opening(self._proxy, self._target, factory)
        asking = Factory.forProtocol(lambda: opening)
        asking.noisy = False
        return self._outer.connect(asking).addCallback(lambda _: self._wait(opening))

    def _wait(self, opening: _Opening) -> Deferred[IProtocol]:
        silent = Unreachable(f"{self._proxy} does not answer within {TUNNEL_SECONDS:.0f} s")
        timer = self._clock.callLater(TUNNEL_SECONDS, opening.give_up, silent)

        def over(result: IProtocol | Failure) -> IProtocol | Failure:
            if timer.active():
                timer.cancel()
            return result

        return opening.opened.addBoth(over)


class _Opening(Protocol):
    """Asks for the tunnel; relays to the protocol inside as soon as it stands."""

    def __init__(self, proxy: Proxy, target: str, factory: IProtocolFactory) -> None:
        self._proxy = proxy
        self._target = target
        self._factory = factory
        self._head = b""
        self._inside: IProtocol | None = None
        self.opened: Deferred[IProtocol] = Deferred(lambda _: self._abort())

    def connectionMade(self) -> None:
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        head = "\r\n".join(lines).encode("ascii")
        if self._proxy.authorization is not None:
            head += b"\r\nProxy-Authorization: " + self._proxy.authorization
        assert self.transport is not None  # noqa: S101  connectionMade says so
        self.transport.write(head + b"\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        if self._inside is not None:
            self._inside.dataReceived(data)
            return
        if self.opened.called:
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._answered(head, rest)
        elif len(self._head) > _HEAD_LIMIT_BYTES:
            self.give_up(Unreachable(f"{self._proxy} sends no end of its answer"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inside is not None:
            self._inside.connectionLost(reason)
        else:
            why = "" if reason.check(ConnectionDone) else f": {reason.getErrorMessage()}"
            self.give_up(Unreachable(f"{self._proxy} has closed the connection{why}"))

    def _answered(self, head: bytes, rest: bytes) -> None:
        found = _STATUS.match(head)
        if found is None:
            self.give_up(Unreachable(f"{self._proxy} does not speak HTTP"))
        elif not found[1].startswith(b"2"):
            said = b" ".join(filter(None, found.groups())).decode("ascii")
            self.give_up(Unreachable(f"{self._proxy} opens no tunnel to {self._target}: {said}"))
        else:
            self._open(rest)

    def _open(self, rest: bytes) -> None:
        transport = self.transport
        assert transport is not None  # noqa: S101  data has come from it
        inside = self._factory.buildProtocol(transport.getPeer())
        if inside is None:
            self.give_up(Unreachable("nobody wants the tunnel any more"))
            return
        self._inside = inside
        inside.makeConnection(transport)
        if rest:
            inside.dataReceived(rest)
        self.opened.callback(inside)

    def give_up(self, why: Unreachable) -> None:
        """End it, unless the tunnel stands already."""
        if not self.opened.called:
            self.opened.errback(why)
            self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
