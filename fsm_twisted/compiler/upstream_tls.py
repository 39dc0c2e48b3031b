"""
TLS to the Services of one Ingress: what its annotations and its Secret say, as a policy.

As in FSM, a Secret with ``ca.crt`` or the protocol HTTPS switches TLS on. Whatever cannot be
honoured as it is written refuses the Ingress: it is never served with less than it asks for (D6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import attrs

from fsm_twisted.compiler.certificates import (
    CertificateFault,
    parse_authorities,
    parse_certificate,
)
from fsm_twisted.compiler.named_secrets import FindSecret, SecretFault, find_named, full_name
from fsm_twisted.compiler.values import SecretName, ServiceProtocol
from fsm_twisted.snapshot.model import CertificateEntry
from fsm_twisted.snapshot.policy import UpstreamTls

SECURE: Final = frozenset({ServiceProtocol.HTTPS, ServiceProtocol.GRPCS})


@attrs.frozen
class AskedTls:
    """
    What the annotations of an Ingress ask for, each of them readable.

    ``namespace`` is the Ingress's own.
    """

    namespace: str
    protocol: ServiceProtocol = ServiceProtocol.HTTP
    secret: SecretName | None = None
    server_name: str = ""
    is_verified: bool = False


@attrs.frozen
class Doubt:
    """
    Why what is asked for is refused, or what a person should know of it.

    ``annotation`` names the annotation to look at, without prefix; ``code`` is one of the
    registry; an empty ``remedy`` stands for that of the code.
    """

    code: str
    annotation: str
    what: str
    remedy: str = ""


@attrs.frozen
class Settled:
    """The policy, None for plain connections, with warnings."""

    tls: UpstreamTls | None
    warnings: tuple[Doubt, ...] = ()


def settle_upstream_tls(
    asked: AskedTls, find: FindSecret, *, allows_foreign: bool
) -> Settled | Doubt:
    """
    Decide how TLS is spoken to the Services of an Ingress.

    Args:
        asked: What the Ingress says.
        find: Looks a Secret up.
        allows_foreign: Whether the Secret may be of another namespace.

    Returns:
        The policy, or why there can be none: then the Ingress must not be served.
    """
    material = _Material()
    if asked.secret is not None:
        found = _read_secret(asked.secret, asked.namespace, find, allows_foreign=allows_foreign)
        if isinstance(found, Doubt):
            return found
        material = found
    if asked.protocol not in SECURE and not material.authorities_pem:
        return _without_tls(asked)
    tls = _policy(asked, material)
    return Settled(tls) if tls.is_verified else Settled(tls, (_UNVERIFIED,))


_UNVERIFIED: Final = Doubt(
    "upstream_not_verified",
    "upstream-ssl-verify",
    "TLS is spoken to the Service, but its certificate is not checked",
)


def _without_tls(asked: AskedTls) -> Settled | Doubt:
    """Look at what makes no sense, or no protection, without TLS."""
    if asked.secret is not None:
        what = "its Secret has no ca.crt, which would switch TLS on"
        remedy = "add ca.crt to the Secret, or set upstream-protocol: HTTPS"
        return Doubt("upstream_tls_invalid", "upstream-ssl-secret", what, remedy)
    if asked.is_verified:
        what = "it asks for a certificate to be checked, but nothing switches TLS on"
        return Doubt("upstream_tls_invalid", "upstream-ssl-verify", what)
    if asked.server_name:
        what = "it has no effect, because nothing switches TLS on"
        return Settled(None, (Doubt("upstream_tls_off", "upstream-ssl-name", what),))
    return Settled(None)


@attrs.frozen
class _Material:
    """What a Secret holds; ``authorities_pem`` may be empty, ``pair`` None."""

    authorities_pem: bytes = attrs.field(default=b"", repr=False)
    pair: CertificateEntry | None = None


def _read_secret(
    named: SecretName, own: str, find: FindSecret, *, allows_foreign: bool
) -> _Material | Doubt:
    secret = find_named(named, own, find, allows_foreign=allows_foreign)
    if isinstance(secret, SecretFault):
        return _doubt(secret.code, secret.what)
    found = _read_data(secret.data)
    if isinstance(found, CertificateFault):
        remedy = "mend the Secret: ca.crt in PEM, tls.crt and tls.key both or neither"
        what = f"{full_name(named, own)} is not usable: {found.what}"
        return _doubt("secret_invalid", what, remedy)
    return found


def _doubt(code: str, what: str, remedy: str = "") -> Doubt:
    return Doubt(code, "upstream-ssl-secret", what, remedy)


def _read_data(data: Mapping[str, bytes]) -> _Material | CertificateFault:
    """Read ``ca.crt`` and the client pair; what is empty counts as absent."""
    authorities = b""
    if data.get("ca.crt"):
        found = parse_authorities(data["ca.crt"])
        if isinstance(found, CertificateFault):
            return found
        authorities = found
    if not data.get("tls.crt") and not data.get("tls.key"):
        if not authorities:
            return CertificateFault("it has neither ca.crt nor tls.crt and tls.key")
        return _Material(authorities)
    pair = parse_certificate(data)
    if isinstance(pair, CertificateFault):
        return pair
    return _Material(authorities, pair.entry)


def _policy(asked: AskedTls, material: _Material) -> UpstreamTls:
    pair = material.pair
    chain, key = (b"", b"") if pair is None else (pair.chain_pem, pair.key_pem)
    verified = b"verified" if asked.is_verified else b""
    parts = (verified, material.authorities_pem, chain, key)
    return UpstreamTls(
        hashlib.sha256(b"\0".join(parts)).hexdigest(),
        asked.server_name,
        asked.is_verified,
        material.authorities_pem,
        chain,
        key,
    )
