"""
The TLS contexts of listeners (D3): one front context for each, certificates under it.

The server name of the ClientHello chooses the context of its host; without one, or with an unknown
one, the default certificate answers. Sessions belong to the front context, so they survive every
change of certificates. Where clients of the host are verified, the connection asks for a
certificate: a chosen context brings its certificate and authorities along, but not that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from OpenSSL import SSL, crypto
from twisted.logger import Logger

from fsm_twisted.net.client_certificates import Asking, authorities_of, trust
from fsm_twisted.net.tls_parameters import TlsParameters
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.changes import changes
from fsm_twisted.snapshot.model import CertificateEntry
from fsm_twisted.snapshot.policy import IMPOSSIBLE, ClientVerification, VerifyClient

_log = Logger()

_USUAL: Final = TlsParameters()
Protocols = tuple[bytes, ...]
HTTP1: Final[Protocols] = (b"http/1.1",)
HTTP2: Final[Protocols] = (b"h2", b"http/1.1")
"""What ALPN may choose from, the first one that the client offers too (RFC 7301)."""


def make_context(
    entry: CertificateEntry,
    protocols: Protocols = HTTP1,
    parameters: TlsParameters = _USUAL,
) -> SSL.Context:
    """
    Make the context of one certificate, which offers *protocols* by ALPN.

    Raises:
        SSL.Error, crypto.Error: OpenSSL refuses chain or key.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    parameters.apply(context)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 46 to 23 KiB for each idle connection
    context.set_session_id(b"fsm")
    context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    context.set_alpn_select_callback(_chooser(protocols))
    use_pair(context, entry.chain_pem, entry.key_pem)
    return context


def use_pair(context: SSL.Context, chain_pem: bytes, key_pem: bytes) -> None:
    """
    Have *context* show the chain and prove it by the key.

    Raises:
        SSL.Error, crypto.Error: OpenSSL refuses chain or key.
    """
    leaf, *issuers = load_certificates(chain_pem)
    context.use_certificate(leaf)
    for issuer in issuers:
        context.add_extra_chain_cert(issuer)
    # The passphrase is for no key of ours: without one, OpenSSL asks the terminal.
    key: Any = crypto.load_privatekey(crypto.FILETYPE_PEM, key_pem, b"-")
    context.use_privatekey(key.to_cryptography_key())
    context.check_privatekey()


def load_certificates(chain_pem: bytes) -> list[Any]:
    """Return the certificates in the form that pyOpenSSL's contexts want, that of cryptography."""
    end = b"-----END CERTIFICATE-----"
    blocks = [part + end for part in chain_pem.split(end)[:-1]]
    loaded = [crypto.load_certificate(crypto.FILETYPE_PEM, block) for block in blocks]
    return [each.to_cryptography() for each in loaded]


class NoCommonProtocol(Exception):
    """A client offers protocols by ALPN, and none that we speak; an alert has told it."""


def _chooser(protocols: Protocols) -> Callable[[SSL.Connection, list[bytes]], bytes]:
    def choose(_: SSL.Connection, offered: list[bytes]) -> bytes:
        for protocol in protocols:
            if protocol in offered:
                return protocol
        # What pyOpenSSL has a value for is to go on without ALPN; RFC 7301 wants an alert.
        raise NoCommonProtocol

    return choose


class HostContexts:
    """
    The contexts of one certificate.

    Args:
        make: Makes another one.

    Attributes:
        plain: Where clients are not asked for certificates.
    """

    __slots__ = ("_asking", "_make", "plain")

    def __init__(self, make: Callable[[], SSL.Context]) -> None:
        self._make = make
        self.plain = make()
        self._asking: dict[ClientVerification, SSL.Context | None] = {}

    def asking(self, clients: ClientVerification) -> SSL.Context | None:
        """Return the context that checks client certificates; None when OpenSSL refuses it."""
        if clients not in self._asking:
            try:
                self._asking[clients] = self._make_asking(clients)
            except (SSL.Error, crypto.Error, ValueError):
                _log.error("OpenSSL refuses the authorities of client certificates")
                self._asking[clients] = None
        return self._asking[clients]

    def _make_asking(self, clients: ClientVerification) -> SSL.Context:
        context = self._make()
        store = context.get_cert_store()
        assert store is not None  # noqa: S101  a context always has one
        trust(store, clients)
        # So that people are asked to choose among those of their certificates that will do.
        authorities = map(crypto.X509.from_cryptography, authorities_of(clients))
        context.set_client_ca_list([each.get_subject() for each in authorities])
        return context

    def forget(self, known: frozenset[ClientVerification]) -> None:
        """Forget contexts for what is not among the *known*."""
        for clients in self._asking.keys() - known:
            del self._asking[clients]


Table = ServerNames[HostContexts]
ClientsOf = Callable[[bytes], ClientVerification | None]


def _nobody(_: bytes) -> None:
    """Ask nobody."""


class Certificates:
    """
    The TLS contexts of all hosts, swapped as a whole under long-lived front contexts.

    Args:
        default: Answers unknown server names and clients that send none.
        protocols: What all of them offer by ALPN: the host's context is the one that is asked.
        parameters: What all of them speak.
    """

    def __init__(
        self,
        default: CertificateEntry,
        protocols: Protocols = HTTP1,
        parameters: TlsParameters = _USUAL,
    ) -> None:
        self._default = default
        self._make = partial(make_context, protocols=protocols, parameters=parameters)
        self._installed: Mapping[str, CertificateEntry] = {}
        self._contexts: dict[str, HostContexts | None] = {}
        self._default_contexts = HostContexts(partial(self._make, default))
        self._verified: Mapping[str, ClientVerification] = {}
        self._clients_of: ClientsOf = _nobody
        self._uses: Counter[str] = Counter()
        self._table: Table = ServerNames({})

    def install(self, certificates: Mapping[str, CertificateEntry]) -> None:
        """
        Serve *certificates* (by server name pattern) from now on; unchanged ones are kept.

        One that OpenSSL refuses is logged and left out: its hosts get the default certificate.
        """
        before, self._installed = self._installed, certificates
        found = changes(before, certificates)
        if not found:
            return
        names: dict[str, HostContexts] = {}
        gone = list(found.gone)
        for name, entry in found.changed.items():
            self._uses[entry.fingerprint] += 1
            context = self._context(name, entry)
            if context is None:
                gone.append(name)
            else:
                names[name] = context
        for name in (*found.gone, *found.changed):
            if name in before:
                self._release(before[name].fingerprint)
        self._table = self._table.renewed(names, gone)

    def verify(self, clients: Mapping[str, ClientVerification], clients_of: ClientsOf) -> None:
        """
        Ask for certificates from now on as *clients_of* says.

        Args:
            clients: All that it may say, by host pattern.
            clients_of: Given a lower-case server name without trailing dot.
        """
        self._clients_of = clients_of
        before, self._verified = self._verified, clients
        if not changes(before, clients):
            return
        known = frozenset(clients.values())
        for each in (self._default_contexts, *self._contexts.values()):
            if each is not None:
                each.forget(known)

    def _context(self, name: str, entry: CertificateEntry) -> HostContexts | None:
        """Return the contexts of *entry*, made once for all its names; None when refused."""
        key = entry.fingerprint
        if key not in self._contexts:
            try:
                self._contexts[key] = HostContexts(partial(self._make, entry))
            except (SSL.Error, crypto.Error, ValueError):
                _log.error("OpenSSL refuses the certificate for {name}", name=name)
                self._contexts[key] = None
        return self._contexts[key]

    def _release(self, fingerprint: str) -> None:
        self._uses[fingerprint] -= 1
        if not self._uses[fingerprint]:
            del self._uses[fingerprint], self._contexts[fingerprint]

    def front_context(self) -> SSL.Context:
        """Make the context of one listener; its server name callback sees every later swap."""
        context = self._make(self._default)
        context.set_tlsext_servername_callback(self._choose)
        return context

    def _choose(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if not name:
            return
        host = name.lower().removesuffix(b".")
        found, clients = self._table.find(host), self._clients_of(host)
        if clients is not None and clients.mode is not VerifyClient.IMPOSSIBLE:
            self._ask(connection, found or self._default_contexts, clients)
        elif found is not None:
            connection.set_context(found.plain)

    def _ask(
        self, connection: SSL.Connection, found: HostContexts, clients: ClientVerification
    ) -> None:
        # First of all, so that nothing that fails from here on lets anybody in.
        asking = Asking(clients)
        connection.set_app_data(asking)
        context = found.asking(clients)
        if context is None:
            asking.verification = IMPOSSIBLE
            return
        connection.set_context(context)
        asking.begin(connection)
