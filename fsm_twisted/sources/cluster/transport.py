"""An Agent for the API server: TLS policy, proxy, and connections that notice a dead peer."""

from __future__ import annotations

import re
import socket
from typing import Any, Final
from urllib.parse import urlsplit

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from fsm_twisted.sources.cluster.access import Access, CredentialsError, Proxy, TLSFacts
from fsm_twisted.sources.cluster.tunnel import ConnectTunnelEndpoint

CONNECT_SECONDS: Final = 10.0
# A peer that vanished without a word is noticed within a minute, as Go's client does.
_IDLE_SECONDS, _PROBE_SECONDS, _PROBES = 30, 10, 3

_PEM_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


_Facts = tuple[str, TLSFacts, Proxy | None]


class Agents:
    """
    Makes the Agent for an `Access`; a new one when what connections depend on has changed.

    Args:
        reactor: The reactor.
        kept_seconds: So long a connection is kept for the next request; shorter than the 90 s of
            the API server, so that it is never the one to end it. Whoever keeps any must `close`.
    """

    def __init__(self, reactor: Any, kept_seconds: int = 0) -> None:
        self._reactor = reactor
        self._kept_seconds = kept_seconds
        self._latest: tuple[_Facts, IAgent] | None = None
        self._pool = self._make_pool()

    def _make_pool(self) -> HTTPConnectionPool:
        pool = HTTPConnectionPool(self._reactor, persistent=self._kept_seconds > 0)
        pool.cachedConnectionTimeout = self._kept_seconds
        return pool

    def close(self) -> None:
        """End the connections that are kept."""
        self._pool.closeCachedConnections()

    def agent_for(self, access: Access) -> IAgent:
        """
        Return the Agent for *access*.

        Raises:
            CredentialsError: A certificate or key cannot be used.
        """
        facts = (access.base_url, access.tls, access.proxy)
        if self._latest is None or self._latest[0] != facts:
            creator = _creator(access.base_url, access.tls)
            factory = _Endpoints(self._reactor, creator, access.proxy)
            self.close()
            self._pool = self._make_pool()
            agent = Agent.usingEndpointFactory(self._reactor, factory, self._pool)
            self._latest = (facts, agent)
        return self._latest[1]


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where an Agent connects to."""

    def __init__(
        self,
        reactor: Any,
        creator: IOpenSSLClientConnectionCreator | None,
        proxy: Proxy | None,
    ) -> None:
        self._reactor = reactor
        self._creator = creator
        self._proxy = proxy

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802  Twisted's name
        """Return the endpoint for *uri*."""
        host = uri.host.decode("ascii").strip("[]")
        plain = self._reached(host, uri.port)
        return _Quiet(plain if self._creator is None else wrapClientTLS(self._creator, plain))

    def _reached(self, host: str, port: int) -> IStreamClientEndpoint:
        """Return what connects to the API server itself, or to a proxy that does."""
        proxy = self._proxy
        if proxy is None:
            return _Attentive(HostnameEndpoint(self._reactor, host, port, CONNECT_SECONDS))
        outer: IStreamClientEndpoint = _Attentive(
            HostnameEndpoint(self._reactor, proxy.host, proxy.port, CONNECT_SECONDS)
        )
        if proxy.is_secure:
            outer = wrapClientTLS(optionsForClientTLS(proxy.host), outer)
        return ConnectTunnelEndpoint(self._reactor, outer, proxy, host, port)


@implementer(IStreamClientEndpoint)
class _Quiet:
    """An endpoint that does not log the begin and end of every connection."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, in silence."""
        factory.noisy = False  # type: ignore[attr-defined]
        return self._endpoint.connect(factory)


@implementer(IStreamClientEndpoint)
class _Attentive:
    """An endpoint whose connections end when the peer does not answer any more."""

    def __init__(self, endpoint: HostnameEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, and ask the kernel to look after the peer."""
        return self._endpoint.connect(factory).addCallback(_look_after)


def _look_after(protocol: IProtocol) -> IProtocol:
    transport: Any = protocol.transport  # type: ignore[attr-defined]
    handle = transport.getHandle()
    transport.setTcpKeepAlive(1)
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_SECONDS)
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    handle.setsockopt(
        socket.IPPROTO_TCP,
        socket.TCP_USER_TIMEOUT,
        1000 * (_IDLE_SECONDS + _PROBE_SECONDS * _PROBES),
    )
    return protocol


def _creator(base_url: str, facts: TLSFacts) -> IOpenSSLClientConnectionCreator | None:
    parts = urlsplit(base_url)
    if parts.scheme != "https":
        return None
    name = facts.server_name or parts.hostname or ""
    try:
        if not facts.is_verified:
            return _Unverified(name, CertificateOptions(**_own(facts)))
        return optionsForClientTLS(name, _trust(facts), extraCertificateOptions=_own(facts))
    except (SSL.Error, crypto.Error, ValueError, UnicodeError):
        what = "a certificate or key for the API server cannot be used: no PEM, or no pair"
        raise CredentialsError(what) from None


def _trust(facts: TLSFacts) -> Any:
    if facts.trust_pem is None:
        return platformTrust()
    found = _certificates(facts.trust_pem)
    if not found:
        raise CredentialsError("the certificate authority of the API server is no PEM")
    return trustRootFromCertificates(found)


def _own(facts: TLSFacts) -> dict[str, Any]:
    """Return our certificate, its key and its chain, as options."""
    if facts.certificate_pem is None or facts.key_pem is None:
        return {}
    found = _certificates(facts.certificate_pem)
    if not found:
        raise CredentialsError("our certificate for the API server is no PEM")
    first, *chain = (each.original.to_cryptography() for each in found)
    key = crypto.load_privatekey(crypto.FILETYPE_PEM, facts.key_pem)
    return {
        "privateKey": key.to_cryptography_key(),
        "certificate": first,
        "extraCertChain": chain,
    }


def _certificates(pem: bytes) -> list[Certificate]:
    return [Certificate.loadPEM(each) for each in _PEM_CERTIFICATE.findall(pem)]


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS that believes anybody: ``insecure-skip-tls-verify``."""

    def __init__(self, name: str, options: CertificateOptions) -> None:
        self._name = name
        self._context = options.getContext()

    def clientConnectionForTLS(  # noqa: N802  Twisted's name
        self, _: TLSMemoryBIOProtocol
    ) -> SSL.Connection:
        """Return a connection that checks nothing."""
        connection = SSL.Connection(self._context, None)
        if not re.fullmatch(r"[0-9.]+|.*:.*", self._name):
            connection.set_tlsext_host_name(self._name.encode("idna"))
        return connection
