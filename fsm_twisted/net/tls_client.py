"""
TLS to endpoints, by pyOpenSSL on the socket: contexts of policies, handshakes, and their checks.

Nothing is asked of an endpoint before its handshake is done and, where the policy says so, chain
and name of its certificate are good; that is looked at after every handshake, resumed or not.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final
from weakref import WeakValueDictionary

import attrs
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.logger import Logger

from fsm_twisted.net.chain_faults import chain_fault
from fsm_twisted.net.loop import EventLoop
from fsm_twisted.net.tls import load_certificates, use_pair
from fsm_twisted.snapshot.policy import UpstreamTls

_log = Logger()

HTTP1: Final = (b"http/1.1",)

ContextKey = tuple[str, tuple[bytes, ...]]
"""Fingerprint of the policy, and what is offered by ALPN."""


@attrs.frozen
class TlsFault:
    """
    Why there is no connection; ``what`` is for people and holds nothing that the endpoint says.

    ``is_unverified``: the endpoint has a certificate that must not be trusted; ``is_name``:
    because of the name.
    """

    what: str
    is_unverified: bool = False
    is_name: bool = False


def make_client_context(tls: UpstreamTls, protocols: Sequence[bytes] = HTTP1) -> SSL.Context:
    """
    Make the context of a policy; the server name is not a part of it.

    Args:
        tls: The policy.
        protocols: What is offered by ALPN, the preferred one first.

    Raises:
        SSL.Error, crypto.Error, ValueError: OpenSSL refuses a certificate or the key.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # sessions are kept with the endpoint
    context.set_alpn_protos(list(protocols))
    if tls.chain_pem:
        use_pair(context, tls.chain_pem, tls.key_pem)
    if not tls.is_verified:
        context.set_verify(SSL.VERIFY_NONE)
        return context
    context.set_verify(SSL.VERIFY_PEER, _note_fault)
    if not tls.authorities_pem:
        context.set_default_verify_paths()
        return context
    store = context.get_cert_store()
    assert store is not None  # noqa: S101  a context always has one
    # Whatever stands in ca.crt is trusted, also an intermediate authority or the leaf itself.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for authority in load_certificates(tls.authorities_pem):
        store.add_cert(crypto.X509.from_cryptography(authority))
    return context


def _note_fault(connection: SSL.Connection, _: object, number: int, __: int, is_good: int) -> bool:
    if not is_good:
        connection.set_app_data(number)
    return bool(is_good)


class ClientContexts:
    """The contexts in use, each made once for all policies that differ in the name alone."""

    def __init__(self) -> None:
        self._contexts: WeakValueDictionary[ContextKey, SSL.Context] = WeakValueDictionary()

    def context_of(
        self, tls: UpstreamTls, protocols: tuple[bytes, ...] = HTTP1
    ) -> SSL.Context | None:
        """Return the context of *tls*, None (and a line in the log) when OpenSSL refuses it."""
        key = (tls.fingerprint, protocols)
        context = self._contexts.get(key)
        if context is None:
            try:
                context = make_client_context(tls, protocols)
            except (SSL.Error, crypto.Error, ValueError):
                _log.error("OpenSSL refuses the certificates of an upstream-ssl-secret")
                return None
            self._contexts[key] = context
        return context


class ClientHandshake:
    """
    A client-side TLS handshake on a connected socket; afterwards that belongs to its owner again.

    Args:
        loop: The reactor.
        sock: Connected, non-blocking; never closed here.
        context: From `make_client_context`.
        name: The server name, a DNS name or an IP address; ``""`` sends none.
        done: Called with the connection when the handshake has succeeded and all is checked.
        lost: Called instead with what is wrong.
    """

    __slots__ = ("_connection", "_done", "_fd", "_is_open", "_loop", "_lost", "_name", "_writing")

    disconnected = False
    connected = True

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        context: SSL.Context,
        name: str,
        done: Callable[[SSL.Connection], None],
        lost: Callable[[TlsFault], None],
    ) -> None:
        self._loop = loop
        self._fd = sock.fileno()
        self._connection = SSL.Connection(context, sock)
        self._connection.set_connect_state()
        self._name = name
        self._done = done
        self._lost = lost
        self._is_open = True
        self._writing = False

    def begin(self, session: SSL.Session | None) -> None:
        """Say hello, resuming *session* if there is one; the outcome may come before the end."""
        try:
            if self._name and not _is_address(self._name):
                self._connection.set_tlsext_host_name(self._name.encode("ascii"))
            if session is not None:
                self._connection.set_session(session)
        except (SSL.Error, ValueError):
            self._fail(TlsFault("the server name cannot be sent"))
            return
        self._loop.addReader(self)
        self.doRead()

    def fileno(self) -> int:
        """Return the socket's number."""
        return self._fd

    def logPrefix(self) -> str:
        """Return what Twisted's log context shows."""
        return "ClientHandshake"

    def doRead(self) -> None:
        """Take the handshake a step further."""
        if not self._is_open:
            # One event may say readable and writable; the first of the two has ended it.
            return
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._want_write(wanted=False)
        except SSL.WantWriteError:
            self._want_write(wanted=True)
        except SSL.Error as error:
            self._fail(self._fault_of(error))
        else:
            self._finish()

    doWrite = doRead

    def _finish(self) -> None:
        fault = None
        if self._connection.get_context().get_verify_mode() & SSL.VERIFY_PEER:
            fault = name_fault(self._connection, self._name)
        if fault is not None:
            self._fail(TlsFault(fault, is_unverified=True, is_name=True))
            return
        self.stop()
        self._done(self._connection)

    def _fault_of(self, error: SSL.Error) -> TlsFault:
        number = self._connection.get_app_data()
        if number is not None:
            what = chain_fault(number, purpose="servers")
            return TlsFault(f"its certificate is refused: {what}", is_unverified=True)
        return TlsFault(words_of(error))

    def _fail(self, fault: TlsFault) -> None:
        self.stop()
        self._lost(fault)

    def _want_write(self, *, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            (self._loop.addWriter if wanted else self._loop.removeWriter)(self)

    def stop(self) -> None:
        """Let go of the socket; nothing is called any more."""
        if self._is_open:
            self._is_open = False
            self._loop.removeReader(self)
            self._loop.removeWriter(self)

    def connectionLost(self, reason: object) -> None:
        """Learn from the reactor that the socket is gone."""
        if self._is_open:
            self._fail(TlsFault("it has closed the connection"))

    readConnectionLost = writeConnectionLost = connectionLost


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def name_fault(connection: SSL.Connection, name: str) -> str | None:
    """
    Check that the endpoint's certificate has *name* (RFC 9525); return what is wrong.

    Only subjectAltName counts: DNS names, ``*`` for one label, or IP addresses.
    """
    if not name:
        return "there is no server name that its certificate could have"
    certificate = connection.get_peer_certificate()
    if certificate is None:
        return "it has shown no certificate"
    return _name_fault(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate), name)


# Parsing takes a quarter of a millisecond, and an endpoint shows the same certificate each time.
@lru_cache(maxsize=1024)
def _name_fault(der: bytes, name: str) -> str | None:
    try:
        wanted = IPAddress_ID(name) if _is_address(name) else DNS_ID(name)
        patterns = extract_patterns(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
        verify_service_identity(patterns, obligatory_ids=[wanted], optional_ids=[])
    except VerificationError:
        return "its certificate does not have the name"
    except (CertificateError, ValueError):
        # The common name does not count.
        return "its certificate has no usable subjectAltName"
    return None


def words_of(error: SSL.Error) -> str:
    """Return what OpenSSL says of *error*, in its own fixed words."""
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError):
        return "it has closed the connection"
    reasons: list[Any] = list(error.args[0]) if error.args else []
    words = [str(entry[-1]) for entry in reasons]
    return "; ".join(dict.fromkeys(words))[:200] or "OpenSSL gives no reason"


def alert_in(error: SSL.Error | None) -> str | None:
    """Return the alert that the endpoint has sent, None when *error* is no alert."""
    if error is None:
        return None
    words = words_of(error)
    return words if " alert " in words else None
