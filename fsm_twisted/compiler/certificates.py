"""
Certificates of Secrets: is this chain and key usable, for which names, and until when.

The only place of the compiler that knows `cryptography`. Texts never hold a part of a Secret.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from fsm_twisted.snapshot.model import CertificateEntry

TLS_TYPE: Final = "kubernetes.io/tls"

_SMALLEST_RSA_BITS: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_LONGEST_CHAIN: Final = 16
_LARGEST_PEM: Final = 1 << 20
# Whoever changes a Secret again and again shall not fill the memory with what it has been.
_LARGEST_REMEMBERED: Final = 1 << 15
_NO_NAMES: Final = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)


@attrs.frozen
class ParsedCertificate:
    """A usable chain and key, with the leaf's names (lower-case) and its time (aware, UTC)."""

    entry: CertificateEntry
    names: frozenset[str]
    not_before: datetime
    not_after: datetime

    def covers(self, pattern: str) -> bool:
        """
        Tell whether the leaf is valid for *pattern*, a host or ``*.`` and a parent.

        Only subjectAltName counts (RFC 9525 section 6.3); ``*`` stands for one whole label.
        """
        _, dot, parent = pattern.partition(".")
        return pattern in self.names or (bool(dot) and f"*.{parent}" in self.names)


@attrs.frozen
class CertificateFault:
    """Why a Secret is no usable certificate; names the key of ``data`` at fault."""

    what: str


class _Unusable(Exception):
    """Carries the text of a `CertificateFault`."""


def parse_certificate(data: Mapping[str, bytes]) -> ParsedCertificate | CertificateFault:
    """Read ``tls.crt`` and ``tls.key`` of a Secret's *data*; what is not large is remembered."""
    for name in ("tls.crt", "tls.key"):
        if not data.get(name):
            return CertificateFault(f"{name} is missing or empty")
        if len(data[name]) > _LARGEST_PEM:
            return CertificateFault(f"{name} is larger than 1 MiB")
    pair = (data["tls.crt"], data["tls.key"])
    is_usual = sum(map(len, pair)) <= _LARGEST_REMEMBERED
    return _parse_pair(*pair) if is_usual else _parse_pair.__wrapped__(*pair)


def parse_authorities(pem: bytes) -> bytes | CertificateFault:
    """Read ``ca.crt`` of a Secret: the certificates in it as plain PEM, each once."""
    if len(pem) > _LARGEST_PEM:
        return CertificateFault("ca.crt is larger than 1 MiB")
    return _parse_authorities(pem)


# Few differ; but one may be the whole of what browsers trust, and name many hosts.
@lru_cache(maxsize=128)
def _parse_authorities(pem: bytes) -> bytes | CertificateFault:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            found = x509.load_pem_x509_certificates(pem)
            return b"".join(dict.fromkeys(each.public_bytes(Encoding.PEM) for each in found))
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            return CertificateFault("ca.crt holds no PEM certificates")


@lru_cache(maxsize=4096)
def _parse_pair(chain_pem: bytes, key_pem: bytes) -> ParsedCertificate | CertificateFault:
    # Certificates that break RFC 5280 in small ways make cryptography warn; OpenSSL serves them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            chain = _load_chain(chain_pem)
            key = _load_key(key_pem)
            _check_strength(key)
            _check_match(chain[0], key)
            return _describe(chain, key)
        except _Unusable as error:
            return CertificateFault(str(error))


def _load_chain(pem: bytes) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _Unusable("tls.crt is not a PEM certificate") from None
    if len(chain) > _LONGEST_CHAIN:
        raise _Unusable(f"tls.crt holds more than {_LONGEST_CHAIN} certificates")
    return chain


def _load_key(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise _Unusable("tls.key is encrypted; store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable("tls.key is not a PEM private key") from None


def _check_strength(key: PrivateKeyTypes) -> None:
    """Refuse what OpenSSL would refuse to serve, so that a bad key is found here by its name."""
    match key:
        case rsa.RSAPrivateKey() if key.key_size < _SMALLEST_RSA_BITS:
            what = f"tls.key is an RSA key of {key.key_size} bits; 2048 is the least"
        case ec.EllipticCurvePrivateKey() if key.curve.name not in _CURVES:
            what = f"tls.key is on the curve {key.curve.name}; use P-256, P-384 or P-521"
        case (
            rsa.RSAPrivateKey()
            | ec.EllipticCurvePrivateKey()
            | ed25519.Ed25519PrivateKey()
            | ed448.Ed448PrivateKey()
        ):
            return
        case _:
            what = "tls.key is neither RSA nor EC nor Ed25519 nor Ed448"
    raise _Unusable(what)


def _check_match(leaf: x509.Certificate, key: PrivateKeyTypes) -> None:
    try:
        if leaf.public_key() == key.public_key():
            return
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise _Unusable(
        "tls.key does not belong to the first certificate in tls.crt "
        "(the server's own certificate must come first)"
    )


def _describe(chain: list[x509.Certificate], key: PrivateKeyTypes) -> ParsedCertificate:
    chain_pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fingerprint = hashlib.sha256(chain_pem + b"\0" + key_pem).hexdigest()
    return ParsedCertificate(
        CertificateEntry(fingerprint, chain_pem, key_pem),
        _names(chain[0]),
        chain[0].not_valid_before_utc,
        chain[0].not_valid_after_utc,
    )


def _names(leaf: x509.Certificate) -> frozenset[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except _NO_NAMES:
        return frozenset()
    return frozenset(name.lower() for name in found.value.get_values_for_type(x509.DNSName))


@attrs.frozen
class LeafText:
    """
    What people want to know of a certificate; nothing of its key but the kind.

    ``fingerprint`` is the SHA-256 of the certificate itself (hexadecimal), as browsers and
    ``openssl x509 -fingerprint`` show it; ``names`` are its subjectAltNames.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key: str


def describe_leaf(chain_pem: bytes) -> LeafText | None:
    """Describe the first certificate of a chain; None for what holds none."""
    is_usual = len(chain_pem) <= _LARGEST_REMEMBERED
    return _describe_leaf(chain_pem) if is_usual else _describe_leaf.__wrapped__(chain_pem)


@lru_cache(maxsize=16384)
def _describe_leaf(chain_pem: bytes) -> LeafText | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            leaf = x509.load_pem_x509_certificates(chain_pem)[0]
            return LeafText(
                leaf.subject.rfc4514_string(),
                leaf.issuer.rfc4514_string(),
                _all_names(leaf),
                leaf.not_valid_before_utc,
                leaf.not_valid_after_utc,
                leaf.fingerprint(SHA256()).hex(),
                _kind_of(leaf),
            )
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            return None


def _kind_of(leaf: x509.Certificate) -> str:
    match key := leaf.public_key():
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case _:
            return type(key).__name__.lstrip("_").removesuffix("PublicKey")


def _all_names(leaf: x509.Certificate) -> tuple[str, ...]:
    addresses: list[str] = []
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        addresses = [str(each) for each in found.value.get_values_for_type(x509.IPAddress)]
    except _NO_NAMES:
        pass
    return (*sorted(_names(leaf)), *addresses)


def self_signed(now: datetime) -> CertificateEntry:
    """
    Make the certificate for unknown server names: P-256, ten years, without any tenant's name.

    Args:
        now: Aware time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fsm-ingress default certificate")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, SHA256())
    )
    return _describe([certificate], key).entry
