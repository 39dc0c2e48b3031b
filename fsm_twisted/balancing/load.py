"""What is known at run time about one endpoint, and which endpoints may be picked at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import TypeVar

from fsm_twisted.snapshot.identity import Endpoint

Draw = Callable[[int], int]
"""``draw(n)`` gives a number from 0 to ``n - 1``, each as likely as the others."""


class EndpointLoad:
    """
    The run-time side of an endpoint; it outlives snapshots, keyed by upstream and endpoint.

    ``in_flight`` counts the requests that this worker has sent and not finished. ``available`` is
    False while the endpoint is ejected. ``seed`` is the endpoint's share in hashing: the same
    number in every worker and replica, for it is made of address and port alone. Made to be
    subclassed; compared by identity.
    """

    __slots__ = ("available", "endpoint", "in_flight", "seed")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.in_flight = 0
        self.available = True
        self.seed = _seed(endpoint)

    def __repr__(self) -> str:
        """Return the endpoint with what is known about it."""
        health = "available" if self.available else "ejected"
        return f"<{type(self).__name__} {self.endpoint} {health}, {self.in_flight} in flight>"


def _seed(endpoint: Endpoint) -> int:
    text = str(endpoint).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8, person=b"fsm-endpoint").digest(), "big")


L = TypeVar("L", bound=EndpointLoad)


def usable(loads: Sequence[L], tried: Collection[L]) -> list[L]:
    """
    Return those of *loads* that may be picked, in their order.

    They are the ones not *tried*; of these the available ones, or all when none is: refusing
    everybody is worse than trying. Empty only when nothing is left to try.
    """
    left = [load for load in loads if load not in tried]
    return [load for load in left if load.available] or left
