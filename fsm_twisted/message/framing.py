"""How the end of a message's body is found: one of four ways, never two (RFC 9112 section 6.3)."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class NoBody:
    """There is no body, and no field says anything else (HEAD, 204, 304, 1xx; a bare GET)."""


@attrs.frozen
class Sized:
    """The body has ``length`` bytes (Content-Length); 0 is a body that is said to be empty."""

    length: int


@attrs.frozen
class Chunked:
    """The body says itself where it ends (Transfer-Encoding: chunked)."""


@attrs.frozen
class UntilClose:
    """The body ends with the connection; responses only."""


Framing = NoBody | Sized | Chunked | UntilClose


def is_empty(framing: Framing) -> bool:
    """Return whether no byte of a body follows the head."""
    return isinstance(framing, NoBody) or (isinstance(framing, Sized) and not framing.length)


NO_BODY: Final = NoBody()
CHUNKED: Final = Chunked()
UNTIL_CLOSE: Final = UntilClose()
