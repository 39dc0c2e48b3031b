"""
What the field sends: heads of the shape that common clients, load balancers and servers write.

Made by hand after their documentation and source, with values of our own; what matters is which
fields they send, in which spelling and order. Whether each takes the straight road is part of the
table: a change that throws one of them off is noticed (tests/http1/test_field_messages.py), and so
is one that makes the two roads differ (tests/wire/test_two_roads.py).
"""

from __future__ import annotations

from typing import Final

import attrs

HOST: Final = b"shop.example"


@attrs.frozen
class FieldMessage:
    """A message as somebody sends it, for `HOST`, and whether it is for the straight road."""

    who: str
    data: bytes
    is_straight: bool = True

    def to(self, host: bytes) -> bytes:
        """Return a request as one for another host."""
        return self.data.replace(HOST, host)


def message(text: str, body: bytes = b"") -> bytes:
    head, _, _ = text.strip().partition("\n\n")
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body
