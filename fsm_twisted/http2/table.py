"""The static table of HPACK (RFC 7541 appendix A), and what an entry costs."""

from __future__ import annotations

from typing import Final

from fsm_twisted.message.fields import Field, Fields

ENTRY_BYTES: Final = 32
"""What each entry and each field counts beside name and value (RFC 7541 section 4.1)."""

_NAMES_AND_VALUES: Final = (
    b":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|"
    b":status=200|:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|"
    b"accept-charset|accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|"
    b"access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|"
    b"content-encoding|content-language|content-length|content-location|content-range|"
    b"content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|"
    b"if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|"
    b"proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|"
    b"strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
)


def _field(text: bytes) -> Field:
    name, _, value = text.partition(b"=")
    return name, value


STATIC: Final[Fields] = tuple(map(_field, _NAMES_AND_VALUES.split(b"|")))
"""Entry *n* of the table is ``STATIC[n - 1]``."""

STATIC_NAMES: Final = {
    name: len(STATIC) - number for number, (name, _) in enumerate(reversed(STATIC))
}
"""The lowest index of each name."""

STATIC_FIELDS: Final = {field: number for number, field in enumerate(STATIC, 1)}
"""The index of each whole field; those that are names only have an empty value."""

FIRST_DYNAMIC: Final = len(STATIC) + 1
DEFAULT_TABLE_BYTES: Final = 4096
_SEVEN_BITS: Final = 0x7F


def encode_integer(first: int, prefix_bits: int, number: int) -> bytes:
    """Write *number* into the low bits of the byte *first* and those after it (section 5.1)."""
    limit = (1 << prefix_bits) - 1
    if number < limit:
        return bytes((first | number,))
    coded = bytearray((first | limit,))
    number -= limit
    while number > _SEVEN_BITS:
        coded.append(0x80 | number & _SEVEN_BITS)
        number >>= 7
    coded.append(number)
    return bytes(coded)
