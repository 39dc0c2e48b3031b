"""Read one cookie of a request (RFC 6265 section 4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable

from fsm_twisted.message.fields import Fields

ReadCookie = Callable[[Fields], bytes | None]


def make_reader(name: bytes) -> ReadCookie:
    """
    Return the function that gives the value of the cookie *name*, None when it is not there.

    The first one wins when a client sends several (RFC 6265 section 5.4: the longest path comes
    first). The name is compared exactly and only where a cookie begins. The value is everything
    up to the next ``;``, without blanks around it, quotes included. One pass over the field,
    whatever it holds.
    """
    pattern = re.compile(rb"(?:\A|;)[ \t]*" + re.escape(name) + rb"=([^;]*)")

    def read(fields: Fields) -> bytes | None:
        for field, value in fields:
            if len(field) == len(b"cookie") and field.lower() == b"cookie":
                found = pattern.search(value)
                if found is not None:
                    return found[1].strip(b" \t")
        return None

    return read
