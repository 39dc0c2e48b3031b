"""
Stickiness by cookie (annotation ``session-sticky: cookie``).

The cookie names the endpoint by a token that only we can make and that tells no address. It is
kept until the endpoint goes: an ejected endpoint is passed over, and found again later.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Generic

from fsm_twisted.balancing.cookie import make_reader
from fsm_twisted.balancing.load import EndpointLoad, L
from fsm_twisted.balancing.selection import Balancer
from fsm_twisted.message.fields import Fields
from fsm_twisted.snapshot.identity import Endpoint, UpstreamId

_NAME_BYTES: Final = 6
_TOKEN_BYTES: Final = 15


class CookieAffinity:
    """
    Signs the cookies of all upstreams with one secret.

    All replicas need the same secret (32 random bytes), or a client that meets another replica is
    a new client to it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def for_upstream(self, upstream: UpstreamId) -> StickyCookie[L]:
        """Return the cookie of *upstream*, without endpoints yet."""
        name = b"fsm_affinity_" + self._sign(_NAME_BYTES, str(upstream))
        return StickyCookie(name, self, upstream)

    def value_for(self, upstream: UpstreamId, endpoint: Endpoint) -> bytes:
        """Return the token of *endpoint*; it says nothing in the cookie of another upstream."""
        return self._sign(_TOKEN_BYTES, str(upstream), str(endpoint))

    def _sign(self, size: int, *parts: str) -> bytes:
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return urlsafe_b64encode(hmac.digest(self._secret, text, "sha256")[:size])


class StickyCookie(Generic[L]):
    """
    The cookie of one upstream.

    ``name`` differs between upstreams, so that two of them on one host do not fight; it is the
    same in all replicas and tells no name of the cluster.
    """

    def __init__(self, name: bytes, affinity: CookieAffinity, upstream: UpstreamId) -> None:
        self.name = name
        self.read = make_reader(name)
        self._affinity = affinity
        self._upstream = upstream
        self._loads: tuple[L, ...] = ()
        self._by_token: Mapping[bytes, L] = {}

    def update(self, loads: Sequence[L]) -> None:
        """Take the loads of the current endpoints; call it whenever the balancer's is called."""
        new = tuple(loads)
        if new != self._loads:
            self._loads = new
            self._by_token = {self._token(load): load for load in new}

    def find(self, fields: Fields) -> L | None:
        """
        Return the endpoint that the request's cookie names, None when it names none of ours.

        The look-up by hash tells an attacker nothing about a token that he could not learn by
        asking for a cookie.
        """
        value = self.read(fields)
        return None if value is None else self._by_token.get(value)

    def pick(
        self, kept: L | None, balancer: Balancer[L], key: bytes = b"", tried: Collection[L] = ()
    ) -> L | None:
        """
        Return the endpoint for one request.

        It is *kept*, what `find` has found, as long as `Balancer.pick` would be allowed to pick
        it. Otherwise it is the balancer's choice. Set the cookie (`header`) only when *kept* is
        None: a client keeps its cookie while its endpoint is ejected or has been tried in vain.
        """
        if kept is None or kept in tried:
            return balancer.pick(key, tried)
        if kept.available:
            return kept
        other = balancer.pick(key, tried)
        return other if other is not None and other.available else kept

    def header(self, load: L, *, secure: bool) -> bytes:
        """
        Return the value of Set-Cookie that keeps the client with *load*.

        It lasts for the browser's session. *secure*: the request came by TLS.
        """
        attributes = b"; Path=/; HttpOnly; SameSite=Lax" + (b"; Secure" if secure else b"")
        return b"%b=%b%b" % (self.name, self._token(load), attributes)

    def _token(self, load: EndpointLoad) -> bytes:
        return self._affinity.value_for(self._upstream, load.endpoint)
