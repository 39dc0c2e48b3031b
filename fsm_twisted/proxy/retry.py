"""
When a request may be sent again: only when nothing can have been executed twice (RFC 9110).

The caller never asks an endpoint twice while another is left, and keeps to a retry budget.
"""

from __future__ import annotations

from enum import Enum

# Sending these twice is the same as once (RFC 9110 section 9.2).
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
IDEMPOTENT = _SAFE | {b"PUT", b"DELETE"}

# So many endpoints that accept no connection, or have not acted on the request, cost it nothing of
# the retry budget: of several dead endpoints not all may be ejected, and one that leaves says so
# to many requests at once. Those after them are paid for.
FREE_ATTEMPTS = 3


# A request that makes endpoints crash must not visit them all.
MOST_CLOSED = 3


class Failure(Enum):
    """How far an attempt got before the connection failed; no byte of an answer had come."""

    NOT_CONNECTED = "not connected"
    REUSED_CLOSED = "a reused connection closed"
    FRESH_CLOSED = "a fresh connection closed"
    NOT_PROCESSED = "the endpoint said that it has not acted on it"


NOTHING_DONE = frozenset({Failure.NOT_CONNECTED, Failure.NOT_PROCESSED})
"""Nothing can have been executed."""

SAME_AGAIN = frozenset({Failure.REUSED_CLOSED, Failure.NOT_PROCESSED})
"""The connection is to blame and not the endpoint, which may be asked again."""


def may_retry(
    failure: Failure, method: bytes, *, has_body: bool, is_replayable: bool, retries: int
) -> bool:
    """
    Decide whether an attempt may be followed by another one.

    Args:
        failure: What happened.
        method: The request's method.
        has_body: Whether the request has a body, however short.
        is_replayable: Whether all of the body that was sent is still at hand.
        retries: How often an endpoint has been asked and has not begun to answer before.
    """
    if not is_replayable:
        return False
    if failure is Failure.NOT_CONNECTED:
        return True
    if failure is Failure.NOT_PROCESSED:
        return retries < MOST_CLOSED
    if method in _SAFE and not has_body:
        return retries < MOST_CLOSED
    return failure is Failure.REUSED_CLOSED and method in IDEMPOTENT and not retries
