"""What every balancer promises, and which one an upstream gets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, assert_never

from fsm_twisted.balancing.hashing import Rendezvous
from fsm_twisted.balancing.least_work import LeastWork
from fsm_twisted.balancing.load import Draw, L
from fsm_twisted.balancing.round_robin import RoundRobin
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing


class Balancer(Protocol[L]):
    """
    Shares the requests of one upstream out among its endpoints.

    It belongs to one worker and is not thread-safe. ``needs_key`` tells whether `pick` looks at
    its key; where it is False the caller need not compute one.
    """

    needs_key: bool

    def update(self, loads: Sequence[L]) -> None:
        """Take the loads of the current endpoints, sorted by endpoint, without duplicates."""

    def pick(self, key: bytes = b"", tried: Collection[L] = ()) -> L | None:
        """
        Return the endpoint for one request.

        It is never one of *tried* (those that this request has failed on), and never an
        unavailable one while an available one is left. When none of those left is available, one
        of them is picked all the same: refusing everybody is worse than trying. None means that
        there is no endpoint at all, or that all have been tried.

        Args:
            key: What a request is hashed by, see `keys.make_key`; ignored unless ``needs_key``.
            tried: Small; it is searched once for each endpoint.
        """


def make_balancer(balancing: Balancing, draw: Draw) -> Balancer[L]:
    """
    Return a new balancer without endpoints for *balancing*.

    Stickiness by client address is a rendezvous hash whatever the algorithm. Stickiness by cookie
    (`affinity`) stands before the balancer, which answers clients without a cookie.
    """
    if balancing.affinity is Affinity.CLIENT_IP:
        return Rendezvous()
    match balancing.algorithm:
        case Algorithm.ROUND_ROBIN:
            return RoundRobin(draw)
        case Algorithm.HASHING:
            return Rendezvous()
        case Algorithm.LEAST_WORK:
            return LeastWork(draw)
        case _:
            assert_never(balancing.algorithm)
