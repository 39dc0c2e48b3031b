"""Heads of requests, as the reader delivers them."""

from __future__ import annotations

from fsm_twisted.message.authority import Authority, parse_authority
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.message.target import parse_target

NO_HOST = Authority(b"", None, b"")


def request(
    target: bytes = b"/",
    host: bytes | None = b"a.example",
    *,
    method: bytes = b"GET",
    fields: Fields = (),
    claims: Fields = (),
) -> RequestHead:
    """Return the head of a request without a body; without *host* it is one of HTTP/1.0."""
    parsed, _ = parse_target(method, target)
    return RequestHead(
        method=method,
        target=parsed,
        authority=NO_HOST if host is None else parse_authority(host),
        minor=0 if host is None else 1,
        fields=fields,
        claims=claims,
        framing=NO_BODY,
        persistent=True,
        expects_continue=False,
        upgrade=None,
    )
