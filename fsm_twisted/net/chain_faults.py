"""What is wrong with a chain of certificates, in fixed words, whatever a certificate says."""

from __future__ import annotations

from typing import Final

# By number of OpenSSL's x509_vfy.h.
_FAULTS: Final = {
    2: "its issuer is not among the trusted authorities",
    7: "its signature is not valid",
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed and not among the trusted authorities",
    19: "its chain ends in an authority that is not trusted",
    20: "its issuer is not among the trusted authorities",
    21: "its issuer is not among the trusted authorities",
    22: "its chain is too long",
    24: "an issuer in its chain is no authority",
    66: "its key is too small",
    67: "the key of an issuer is too small",
    68: "a signature in its chain is too weak",
}
_WRONG_PURPOSE: Final = 26


def chain_fault(number: int, *, purpose: str) -> str:
    """Say what OpenSSL means by the *number*; *purpose* is what it should be for: servers."""
    if number == _WRONG_PURPOSE:
        return f"it is not for {purpose}"
    return _FAULTS.get(number, f"it is not valid (OpenSSL's error {number})")
