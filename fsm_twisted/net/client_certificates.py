"""
Client certificates of hosts: how they are asked for, and what is checked of them.

OpenSSL checks the chain while it shakes hands, so that a client learns by an alert what is wrong.
That is not relied upon: sessions do not keep hosts apart (a session of one host resumes on
another, without any certificate), so after every handshake the certificate is checked once more,
against the authorities of the host that the handshake was for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL, crypto

from fsm_twisted.snapshot.policy import ClientVerification, VerifyClient

_UNSPECIFIED: Final = 1  # of OpenSSL's x509_vfy.h
_TOO_DEEP: Final = 22


@attrs.frozen
class Shown:
    """
    What a handshake has shown of its client, checked for ``verification``.

    ``certificate`` is None when the client has none, and may have none; ``issuers`` are those
    that it has sent along.
    """

    verification: ClientVerification
    certificate: x509.Certificate | None = None
    issuers: tuple[x509.Certificate, ...] = ()


@attrs.frozen
class Subject:
    """
    Whom a certificate names, nothing of it to be trusted to be harmless.

    ``name`` is that of RFC 4514, ``fingerprint`` the SHA-256 of the certificate (hexadecimal),
    the others are of its subjectAltName.
    """

    name: str
    fingerprint: str
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()


def subject_of(certificate: x509.Certificate) -> Subject:
    """Read whom *certificate* names; what cannot be read counts as absent."""
    fingerprint = certificate.fingerprint(SHA256()).hex()
    try:
        name = certificate.subject.rfc4514_string()
    except ValueError:
        name = ""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        ValueError,
    ):
        return Subject(name, fingerprint)
    uris = found.get_values_for_type(x509.UniformResourceIdentifier)
    return Subject(name, fingerprint, tuple(uris), tuple(found.get_values_for_type(x509.DNSName)))


class Asking:
    """
    That the client of one connection is asked for a certificate.

    Attributes:
        fault: OpenSSL's number for what is wrong with the one that was sent, 0 for nothing.
    """

    __slots__ = ("fault", "verification")

    def __init__(self, verification: ClientVerification) -> None:
        self.verification = verification
        self.fault = 0

    def begin(self, connection: SSL.Connection) -> None:
        """
        Ask, from the server name callback of *connection* on.

        Tickets hold no more of a chain than its first certificate, so they are for chains that
        need no more; by TLS 1.2 that is not known in time.
        """
        mode = SSL.VERIFY_PEER
        if self.verification.mode is not VerifyClient.OPTIONAL:
            mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        connection.set_verify(mode, self._judge)
        if connection.get_protocol_version() < SSL.TLS1_3_VERSION:
            connection.set_options(SSL.OP_NO_TICKET)

    def _judge(
        self, connection: SSL.Connection, _: object, number: int, depth: int, is_good: int
    ) -> bool:
        if not is_good:
            self.fault = number
        elif depth > self.verification.depth + 1:
            self.fault = _TOO_DEEP
        if depth > 1:
            connection.set_options(SSL.OP_NO_TICKET)
        return not self.fault


def asking_of(connection: SSL.Connection) -> Asking | None:
    """Return how the client of *connection* is asked, None when it is not."""
    asking: Asking | None = connection.get_app_data()
    return asking


def shown_by(connection: SSL.Connection, asking: Asking) -> Shown | None:
    """Check what a handshake that is done has shown; None when the client must not come in."""
    verification = asking.verification
    certificate: Any = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return Shown(verification) if verification.mode is VerifyClient.OPTIONAL else None
    sent: Any = connection.get_peer_cert_chain(as_cryptography=True) or ()
    shown = Shown(verification, certificate, tuple(each for each in sent if each != certificate))
    asking.fault = check_chain(verification, shown.certificate, shown.issuers)
    return None if asking.fault else shown


def check_chain(
    verification: ClientVerification,
    certificate: x509.Certificate | None,
    issuers: Sequence[x509.Certificate],
) -> int:
    """
    Check a client's certificate now, for *verification*.

    Returns:
        OpenSSL's number for what is wrong, 0 for nothing. No certificate is right where none is
        needed.
    """
    if verification.mode is VerifyClient.IMPOSSIBLE:
        return _UNSPECIFIED
    if certificate is None:
        return 0 if verification.mode is VerifyClient.OPTIONAL else _UNSPECIFIED
    try:
        context = crypto.X509StoreContext(
            _store_of(verification),
            crypto.X509.from_cryptography(certificate),
            [crypto.X509.from_cryptography(each) for each in issuers],
        )
        chain = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        return int(error.errors[0]) or _UNSPECIFIED
    except (crypto.Error, ValueError):
        return _UNSPECIFIED
    return _TOO_DEEP if len(chain) > verification.depth + 2 else 0


@lru_cache(maxsize=1024)
def _store_of(verification: ClientVerification) -> crypto.X509Store:
    store = crypto.X509Store()
    trust(store, verification)
    return store


def trust(store: crypto.X509Store, verification: ClientVerification) -> None:
    """
    Have *store* trust the authorities of *verification*, whatever kind of certificate they are.

    Raises:
        crypto.Error, ValueError: OpenSSL refuses one.
    """
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for each in authorities_of(verification):
        store.add_cert(crypto.X509.from_cryptography(each))


def authorities_of(verification: ClientVerification) -> list[x509.Certificate]:
    """Return the certificates that are trusted."""
    pem = verification.authorities_pem
    return x509.load_pem_x509_certificates(pem) if pem else []
