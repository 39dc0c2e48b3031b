"""An exchange of an HTTP/2 client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm_twisted.proxy.exchange import Exchange

if TYPE_CHECKING:
    from fsm_twisted.proxy.http2_stream import Http2Stream

HTTP2: Final = 20
"""The version of HTTP/2, where HTTP/1.x has 0 and 1."""


class Http2Exchange(Exchange):
    """An exchange whose client's side is a stream."""

    downstream: Http2Stream
    minor = HTTP2
