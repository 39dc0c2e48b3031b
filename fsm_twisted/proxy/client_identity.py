"""
Who a client is by the certificate that it has shown, and which hosts that is good for.

The identity goes to endpoints in X-Forwarded-Client-Cert, in Envoy's format; what clients send
under that name never does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fsm_twisted.net.client_certificates import Subject, check_chain, subject_of

if TYPE_CHECKING:
    from fsm_twisted.net.client_certificates import Shown
    from fsm_twisted.snapshot.policy import ClientVerification

_LONGEST: Final = 4096  # of the field's value: endpoints have limits, too
_UNSAFE: Final = re.compile(r"[^ !#-~]")  # a double quote is, too
_PLAIN: Final = re.compile(rb"[^ ,;=]+")


class ClientIdentity:
    """
    What one connection has shown of its client.

    It is good for the host that the handshake was for, and for others with the same verification.

    Attributes:
        verification: What was checked last.
        field: The field line for endpoints, empty without a certificate.
        subject: Of the certificate (RFC 4514), empty without one.
        fingerprint: Its SHA-256, hexadecimal.
    """

    __slots__ = (
        "_refused",
        "_server_name",
        "_shown",
        "field",
        "fingerprint",
        "subject",
        "verification",
    )

    def __init__(self, shown: Shown, server_name: bytes) -> None:
        self._shown = shown
        self._server_name = server_name.lower().removesuffix(b".")
        self._refused: ClientVerification | None = None
        self.verification = shown.verification
        self.field = self.subject = self.fingerprint = b""
        if shown.certificate is not None:
            subject = subject_of(shown.certificate)
            self.subject = shown_name(subject)
            self.fingerprint = subject.fingerprint.encode("ascii")
            self.field = b"X-Forwarded-Client-Cert: %b\r\n" % forwarded_value(subject)

    def meets(self, host: bytes, wanted: ClientVerification) -> bool:
        """
        Tell whether a request for *host*, whose clients have to be verified so, may be served.

        Where the verification of the handshake's own host has changed since, the certificate is
        checked again, once.
        """
        if self.verification.covers(wanted):
            return True
        if host != self._server_name or wanted is self._refused:
            return False
        if check_chain(wanted, self._shown.certificate, self._shown.issuers):
            self._refused = wanted
            return False
        self.verification = wanted
        return True


def _ascii(text: str, escape: str) -> bytes:
    """Write every byte of *text* that is neither visible nor a space as two digits."""

    def digits(found: re.Match[str]) -> str:
        return "".join(f"{escape}{byte:02X}" for byte in found[0].encode("utf-8", "replace"))

    return _UNSAFE.sub(digits, text).encode("ascii")


def forwarded_value(subject: Subject) -> bytes:
    """
    Return the value of X-Forwarded-Client-Cert, in the format of Envoy.

    ``Hash`` and ``Subject`` come first, then each URI and DNS name of the subjectAltName. Elements
    for which there is no room in 4 KiB are left out.
    """
    value = b"Hash=%b" % subject.fingerprint.encode("ascii")
    elements = (
        b'Subject="%b"' % shown_name(subject),
        *(b"URI=%b" % _element(each) for each in subject.uris),
        *(b"DNS=%b" % _element(each) for each in subject.dns_names),
    )
    for element in elements:
        if len(value) + len(element) < _LONGEST:
            value += b";" + element
    return value


def shown_name(subject: Subject) -> bytes:
    """Return the name of RFC 4514 in visible ASCII, without double quotes."""
    # A quote is escaped as \" there.
    return _ascii(subject.name.replace('\\"', '"'), "\\")


def _element(text: str) -> bytes:
    """Write a name: as it is, or in quotes where it could be taken for more than one element."""
    plain = _ascii(text.replace("\\", "%5C"), "%")
    return plain if _PLAIN.fullmatch(plain) else b'"%b"' % plain
