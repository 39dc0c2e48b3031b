"""
Field lines of a message, and which of them are not for the next recipient.

A field is a pair of name and value, both as sent (no case folding, no decoding); the order of a
message's fields is kept, so that fields of one name keep theirs (RFC 9110 section 5.3).
"""

from __future__ import annotations

from typing import Final

Field = tuple[bytes, bytes]
Fields = tuple[Field, ...]

HOP_BY_HOP: Final[frozenset[bytes]] = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        # Trailers are dropped, so the announcement of them is.
        b"trailer",
        # Has no meaning without "Upgrade: h2c", which is dropped (RFC 9113 section 3.1).
        b"http2-settings",
    }
)
"""
Lower-case names that end at this hop, listed in Connection or not (RFC 9110 section 7.6.1).

Proxy-Authenticate and Proxy-Authorization are *not* among them: they speak to a proxy that asks
for credentials, and a gateway never asks; it passes them on as an origin server's own business.
"""

PROTECTED: Final[frozenset[bytes]] = HOP_BY_HOP | frozenset(
    {
        b"host",
        b"content-length",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"forwarded",
        b"location",
        b"max-forwards",
        b"origin",
        b"range",
        b"set-cookie",
        b"strict-transport-security",
        b"via",
        b"www-authenticate",
        b"x-real-ip",
        b"x-request-id",
    }
)
"""
Lower-case names that Connection cannot list away.

They are meant for all recipients, so listing them is forbidden to the sender (RFC 9110
section 7.6.1), and a client that could remove them could change what is routed, framed or
authorised. X-Forwarded-* belongs here too; see `is_claim`.
"""

_CLAIMS: Final = frozenset({b"forwarded", b"x-real-ip", b"x-request-id"})

# ASCII only, on purpose: what a CGI-like environment would confuse with a hyphen, becomes one.
_FOLD: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+.^_`|~", b"abcdefghijklmnopqrstuvwxyz" + b"-" * 14
)


def fold_name(name: bytes) -> bytes:
    """
    Return *name* as a careless recipient may see it: lower case, punctuation as hyphens.

    WSGI, CGI and PHP turn ``X_Forwarded_For`` and ``X-Forwarded-For`` into one variable, some
    servers do so with ``X.Forwarded.For``; equal folded names may be one field to them.
    """
    return name.translate(_FOLD)


def is_claim(name: bytes) -> bool:
    """Tell whether the lower-case *name* says who the client is or which request this is."""
    return name in _CLAIMS or name.startswith(b"x-forwarded")


def is_protected(name: bytes) -> bool:
    """Tell whether Connection is powerless over the lower-case *name*."""
    return name in PROTECTED or name.startswith(b"x-forwarded")


def values_of(fields: Fields, name: bytes) -> tuple[bytes, ...]:
    """Return the values of all fields called *name* (lower-case), in order."""
    return tuple(value for key, value in fields if key.lower() == name)
