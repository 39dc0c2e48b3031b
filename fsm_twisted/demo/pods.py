"""
Pods that run in this process: each with a loopback address of its own.

Container ports stay as they are, so `127.0.1.1:8000` and `127.0.1.2:8000` are two pods; where
a port is taken on every such address, any free one serves and the EndpointSlice says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorSSL,
    IReactorTCP,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.ssl import ContextFactory
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import Request
from twisted.web.resource import IResource
from twisted.web.server import Site

from fsm_twisted.demo.applications import Greeter, GreeterResource, HttpbinResource
from fsm_twisted.demo.slices import Location
from fsm_twisted.demo.workloads import Workload

_CERTIFICATE: Final = "server-cert.pem"
_KEY: Final = "server-key.pem"
_LAST: Final = 254
_ANY_FREE_PORT: Final = 0


class NotStartable(Exception):
    """A pod has to wait; the message says for what."""


class Reactor(IReactorTCP, IReactorSSL):
    """What pods need of a reactor: listening, plain and by TLS."""


class QuietSite(Site):
    """A site without an access log; the ingress has one."""

    noisy = False

    def log(self, request: Request) -> None:
        """Write nothing."""


class PodSite(WrappingFactory):
    """What a pod serves, with its connections at hand: they end when the pod does."""

    noisy = False

    def __init__(self, resource: IResource) -> None:
        super().__init__(QuietSite(resource))

    def end_connections(self) -> None:
        """Close every connection, idle or not."""
        for connection in tuple(self.protocols):
            connection.transport.loseConnection()


class FixedContext(ContextFactory):
    """One TLS context for every connection."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:
        """Return the context."""
        return self._context


@attrs.frozen
class Door:
    """A port of a pod: what answers there, and the certificate when it speaks TLS."""

    port: int
    site: PodSite
    certificate: FixedContext | None = None


@attrs.frozen
class Running:
    """A pod that listens."""

    location: Location
    doors: tuple[Door, ...]
    listening: tuple[IListeningPort, ...]

    def stop(self) -> None:
        """Stop listening and end the connections."""
        for port in self.listening:
            port.stopListening()
        for door in self.doors:
            door.site.end_connections()


def doors_of(
    workload: Workload, pod_name: str, files: Mapping[str, bytes] | None
) -> tuple[Door, ...]:
    """
    Return what the workload's pods answer, and where.

    Args:
        workload: What runs.
        pod_name: What the pod believes to be called.
        files: The mounted Secret, ``None`` when it is missing.

    Raises:
        NotStartable: The mounted Secret is missing or is no certificate and key.
    """
    if workload.secret and files is None:
        raise NotStartable(f"Secret {workload.namespace}/{workload.secret} does not exist")
    application = workload.application
    if isinstance(application, Greeter):
        site = PodSite(GreeterResource(application.greeting + pod_name))
        return (Door(application.plain_port, site),)
    site = PodSite(HttpbinResource())
    plain = Door(application.plain_port, site)
    if files is None:
        return (plain,)
    return (plain, Door(application.tls_port, site, _certificate(workload, files)))


def _certificate(workload: Workload, files: Mapping[str, bytes]) -> FixedContext:
    secret = f"Secret {workload.namespace}/{workload.secret}"
    for name in (_CERTIFICATE, _KEY):
        if name not in files:
            raise NotStartable(f"{secret} has no {name}")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, files[_CERTIFICATE])
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, files[_KEY], passphrase=b"")
        context.use_certificate(certificate.to_cryptography())
        context.use_privatekey(cast(Any, key.to_cryptography_key()))  # never a public one here
        context.check_privatekey()
    except (crypto.Error, SSL.Error, ValueError):
        message = f"{_CERTIFICATE} and {_KEY} of {secret} are no certificate and its key"
        raise NotStartable(message) from None
    return FixedContext(context)


class Network:
    """The loopback addresses that pods may have."""

    def __init__(self, reactor: Reactor, prefix: str = "127.0.1.") -> None:
        self._reactor = reactor
        self._addresses = tuple(f"{prefix}{last}" for last in range(1, _LAST + 1))
        self._taken: set[str] = set()

    def run(self, name: str, workload: Workload, doors: tuple[Door, ...]) -> Running:
        """
        Open the doors of a pod on an address that no other pod of this network has.

        Raises:
            NotStartable: Every address is taken.
        """
        free = [address for address in self._addresses if address not in self._taken]
        usual = [door.port for door in doors]
        attempts = [(address, usual) for address in free]
        attempts += [(address, [_ANY_FREE_PORT] * len(doors)) for address in free[:1]]
        for address, numbers in attempts:
            listening = self._listen(address, doors, numbers)
            if listening:
                self._taken.add(address)
                hosts = [cast(IPv4Address, port.getHost()) for port in listening]
                found = dict(zip(usual, [host.port for host in hosts], strict=True))
                return Running(Location(name, workload, address, found), doors, listening)
        raise NotStartable(f"all {len(self._addresses)} pod addresses are in use")

    def release(self, pod: Running) -> None:
        """Give the pod's address back."""
        self._taken.discard(pod.location.address)

    def _listen(
        self, address: str, doors: tuple[Door, ...], numbers: Sequence[int]
    ) -> tuple[IListeningPort, ...]:
        """Listen on all of the ports or, when another program has one of them, on none."""
        listening: list[IListeningPort] = []
        try:
            for door, number in zip(doors, numbers, strict=True):
                listening.append(self._listen_one(address, door, number))
        except CannotListenError:
            for port in listening:
                port.stopListening()
            return ()
        return tuple(listening)

    def _listen_one(self, address: str, door: Door, number: int) -> IListeningPort:
        # Twisted types a wrapping factory as a client's, though it is both.
        factory = cast("ServerFactory[Any]", door.site)
        if door.certificate is None:
            return self._reactor.listenTCP(number, factory, interface=address)
        return self._reactor.listenSSL(number, factory, door.certificate, interface=address)
