"""Which group the endpoints of an upstream belong to: HTTP/1 or HTTP/2, plain or by TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fsm_twisted.net.tls_client import HTTP1, ClientContexts
from fsm_twisted.proxy.endpoints import Group
from fsm_twisted.proxy.http2_endpoints import Http2Group, SecureHttp2Group
from fsm_twisted.proxy.secure import SecureGroup
from fsm_twisted.snapshot.policy import Protocol

if TYPE_CHECKING:
    from fsm_twisted.snapshot.model import Upstream

# HTTP/2 alone: an endpoint that is said to speak it is not asked in another way.
_HTTP2: Final = (b"h2",)


class Groups:
    """Makes the group of an upstream's endpoints, for `Endpoints`."""

    def __init__(self) -> None:
        self._contexts = ClientContexts()

    def group_of(self, upstream: Upstream) -> Group:
        """Make the group of the endpoints of *upstream*, as its policy says."""
        is_http2 = upstream.protocol is Protocol.HTTP2
        if upstream.tls is None:
            return Http2Group() if is_http2 else Group()
        make = SecureHttp2Group if is_http2 else SecureGroup
        context = self._contexts.context_of(upstream.tls, _HTTP2 if is_http2 else HTTP1)
        return make(upstream.tls, context, str(upstream.id.service_port))
