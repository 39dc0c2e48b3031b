"""Certificates made at test time, each kind once: no keys in the repository."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cache

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

SigningKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2034, 1, 1, tzinfo=UTC)


@attrs.frozen
class Pair:
    """A certificate with its key, and their PEM forms."""

    certificate: x509.Certificate
    key: SigningKey

    @property
    def crt(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def pem_key(self) -> bytes:
        return self._key_pem(NoEncryption())

    @property
    def encrypted_key(self) -> bytes:
        return self._key_pem(BestAvailableEncryption(b"password"))

    @property
    def data(self) -> dict[str, bytes]:
        """The data of a Secret of type kubernetes.io/tls."""
        return {"tls.crt": self.crt, "tls.key": self.pem_key}

    def _key_pem(self, encryption: KeySerializationEncryption) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@cache
def make_key(kind: str = "P-256") -> SigningKey:
    """Make a key; one for each *kind*: P-256, K-256, Ed25519, RSA-2048, RSA-1024."""
    match kind:
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "RSA-2048":
            return rsa.generate_private_key(65537, 2048)
        case "RSA-1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
        case "K-256":
            return ec.generate_private_key(ec.SECP256K1())
        case _:
            return ec.generate_private_key(ec.SECP256R1())


@cache
def make_pair(  # noqa: PLR0913  as many as a certificate has parts
    name: str = "example.com",
    sans: tuple[str, ...] = ("example.com",),
    kind: str = "P-256",
    begin: datetime = BEGIN,
    end: datetime = END,
    issuer: Pair | None = None,
    *,
    is_authority: bool = False,
) -> Pair:
    """
    Make a certificate for *name*, signed by *issuer* or by itself.

    An address among *sans* becomes an address of the subjectAltName.
    """
    key = make_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if sans:
        names = x509.SubjectAlternativeName([_general_name(each) for each in sans])
        builder = builder.add_extension(names, critical=False)
    if is_authority:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    signer = issuer.key if issuer else key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Pair(builder.sign(signer, algorithm), key)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def days(count: int) -> timedelta:
    """Return a number of days."""
    return timedelta(days=count)
