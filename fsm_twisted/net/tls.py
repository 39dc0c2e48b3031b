"""
The TLS contexts of listeners (D3): one front context for each, certificates under it.

The server name of the ClientHello chooses the context of its host; without one, or with an unknown
one, the default certificate answers. Sessions belong to the front context, so they survive every
change of certificates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from OpenSSL import SSL, crypto
from twisted.logger import Logger

from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.changes import changes
from fsm_twisted.snapshot.model import CertificateEntry

_log = Logger()

# Of TLS 1.2 only the suites with forward secrecy and authenticated encryption.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK"
Protocols = tuple[bytes, ...]
HTTP1: Final[Protocols] = (b"http/1.1",)
HTTP2: Final[Protocols] = (b"h2", b"http/1.1")
"""What ALPN may choose from, the first one that the client offers too (RFC 7301)."""

Table = ServerNames[SSL.Context]


def make_context(entry: CertificateEntry, protocols: Protocols = HTTP1) -> SSL.Context:
    """
    Make the context of one certificate, which offers *protocols* by ALPN.

    Raises:
        SSL.Error, crypto.Error: OpenSSL refuses chain or key.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_cipher_list(_CIPHERS)
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


def _chooser(protocols: Protocols) -> Callable[[SSL.Connection, list[bytes]], Any]:
    def choose(_: SSL.Connection, offered: list[bytes]) -> Any:
        for protocol in protocols:
            if protocol in offered:
                return protocol
        return SSL.NO_OVERLAPPING_PROTOCOLS

    return choose


class Certificates:
    """
    The TLS contexts of all hosts, swapped as a whole under long-lived front contexts.

    Args:
        default: Answers unknown server names and clients that send none.
        protocols: What all of them offer by ALPN: the host's context is the one that is asked.
    """

    def __init__(self, default: CertificateEntry, protocols: Protocols = HTTP1) -> None:
        self._default = default
        self._protocols = protocols
        self._installed: Mapping[str, CertificateEntry] = {}
        self._contexts: dict[str, SSL.Context | None] = {}
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
        names: dict[str, SSL.Context] = {}
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

    def _context(self, name: str, entry: CertificateEntry) -> SSL.Context | None:
        """Return the context of *entry*, made once for all its names; None when it is refused."""
        key = entry.fingerprint
        if key not in self._contexts:
            try:
                self._contexts[key] = make_context(entry, self._protocols)
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
        context = make_context(self._default, self._protocols)
        context.set_tlsext_servername_callback(self._choose)
        return context

    def _choose(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if name:
            context = self._table.lookup(name)
            if context is not None:
                connection.set_context(context)
