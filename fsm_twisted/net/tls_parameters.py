"""What the operator allows of TLS: versions and ciphers, checked by OpenSSL at start."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final

import attrs
from OpenSSL import SSL

# Of TLS 1.2 only the suites with forward secrecy and authenticated encryption.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
# Key agreement: the hybrid that quantum computers do not break, where OpenSSL knows it, and the
# three curves that everybody has. pyOpenSSL has no call for this.
_GROUPS: Final = (b"X25519MLKEM768:X25519:P-256:P-384", b"X25519:P-256:P-384")
_lib: Any = getattr(SSL, "_lib", None)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_+-]+")
_STRENGTH: Final = "@STRENGTH"
_SUITES: Final = frozenset(
    {
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
    }
)
_NAKED: Final = ("NULL", "ADH", "AECDH")  # without encryption, or without a certificate


class TlsVersion(Enum):
    """Accepted values of ``--tls-min-version``."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


_NUMBERS: Final = {TlsVersion.TLS_1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS_1_3: SSL.TLS1_3_VERSION}


@attrs.frozen
class TlsParameters:
    """
    What all listeners speak.

    ``ciphers`` is a list of OpenSSL for TLS 1.2, ``suites`` one for TLS 1.3, empty for OpenSSL's
    own.
    """

    min_version: TlsVersion = TlsVersion.TLS_1_2
    ciphers: str = CIPHERS
    suites: str = ""

    def apply(self, context: SSL.Context) -> None:
        """
        Set up *context*.

        Raises:
            SSL.Error: OpenSSL does not know a cipher; `read_ciphers` and `read_suites` find out.
        """
        context.set_min_proto_version(_NUMBERS[self.min_version])
        context.set_cipher_list(self.ciphers.encode("ascii"))
        _choose_groups(context)
        if self.suites:
            context.set_tls13_ciphersuites(self.suites.encode("ascii"))


def _choose_groups(context: SSL.Context) -> None:
    """Have *context* agree on keys by `_GROUPS`; where that cannot be said, OpenSSL chooses."""
    choose = getattr(_lib, "SSL_CTX_set1_curves_list", None)
    inner = getattr(context, "_context", None)
    if choose is not None and inner is not None:
        any(choose(inner, groups) == 1 for groups in _GROUPS)


def read_ciphers(text: str) -> str:
    """
    Check a list of ciphers for TLS 1.2, as OpenSSL writes it.

    OpenSSL passes over names that it does not know: here, each of them is an error.

    Raises:
        ValueError: Says what is wrong.
    """
    tokens = text.split(":")
    for token in tokens:
        name = token.lstrip("!-+")
        if token != _STRENGTH and not _TOKEN.fullmatch(name):
            raise ValueError("names are put together by ':', without spaces")
        if token[:1] not in {"!", "-", "@"} and not _chosen(name):
            raise ValueError(f"OpenSSL knows no cipher {name}")
    chosen = _chosen(text)
    if not chosen:
        raise ValueError("it leaves no cipher of TLS 1.2")
    for name in chosen:
        if any(word in name.split("-") for word in _NAKED):
            raise ValueError(f"{name} does not protect anything")
    return text


def read_suites(text: str) -> str:
    """
    Check a list of suites for TLS 1.3.

    Raises:
        ValueError: Says which is not known.
    """
    for name in text.split(":"):
        if name not in _SUITES:
            raise ValueError(f"{name!r} is none of {', '.join(sorted(_SUITES))}")
    return text


def _chosen(ciphers: str) -> list[str]:
    """Return the ciphers of TLS 1.2 that a list chooses."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        context.set_cipher_list(ciphers.encode("ascii"))
    except SSL.Error:
        return []
    names = SSL.Connection(context).get_cipher_list()
    return [name for name in names if not name.startswith("TLS_")]
