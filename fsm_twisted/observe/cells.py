"""
The cells that the hot path counts into: plain numbers of one process, never shared.

A cell is made once for each (Ingress, Service) and found without a look-up; rendering reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import chain, count
from typing import Final

# Of ingress-nginx (Prometheus' default), in seconds; a value over the last counts as "+Inf".
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS: Final[Mapping[bytes, str]] = {
    method.encode("ascii"): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
}
OTHER: Final = b"OTHER"  # stands for every other method: clients may think up as many as they like


BUCKETS: Final = len(SECONDS) + 1  # the last one is over all bounds

# Where in `UpstreamCells.counts` something is counted. What usual requests count lies close
# together: with ten thousand upstreams, each cache line of each is fetched from memory.
_GET, *_OTHERS = ([(method, digit) for digit in range(1, 6)] for method in (*METHODS, OTHER))
_FIRST_BUCKET: Final = len(_GET)
_BEHIND_BUCKETS: Final = _FIRST_BUCKET + 2 * BUCKETS
DURATION: Final = slice(_FIRST_BUCKET, _BEHIND_BUCKETS, 2)
UPSTREAM: Final = slice(_FIRST_BUCKET + 1, _BEHIND_BUCKETS, 2)
REQUESTS: Final[Mapping[tuple[bytes, int], int]] = {
    **dict(zip(_GET, count(), strict=False)),
    **dict(zip(chain(*_OTHERS), count(_BEHIND_BUCKETS), strict=False)),
}
PLACES: Final = len(REQUESTS) + 2 * BUCKETS
_ZEROS: Final = [0] * PLACES


class UpstreamCells:
    """
    What is counted for one (Ingress, Service), or an Ingress alone: plain numbers, a few by name.

    ``counts`` has requests by method and first digit of the status (`REQUESTS`), and by duration
    in buckets, not cumulated: ``DURATION`` is from the head of the request to the end of the
    answer, ``UPSTREAM`` the part of it between sending the request and the end of the answer;
    ``duration_seconds`` and ``upstream_seconds`` are their sums. ``local_seconds`` is the part of
    ``duration_seconds`` that belongs to answers of our own, and to what has ended without a whole
    one. Bytes are those of messages as clients see them. ``rare`` counts what few upstreams have,
    by kind and result: ``passed:ok`` TLS connections that were to go through, or why they did not,
    and ``grpc:0`` calls by status.
    """

    __slots__ = (
        "__weakref__",
        "bytes_in",
        "bytes_out",
        "counts",
        "duration_seconds",
        "local_seconds",
        "rare",
        "retries",
        "upstream_seconds",
    )

    def __init__(self) -> None:
        self.counts = [0] * PLACES
        self.clear()

    def clear(self) -> None:
        """Begin at zero."""
        self.counts[:] = _ZEROS
        self.duration_seconds = self.upstream_seconds = self.local_seconds = 0.0
        self.retries = self.bytes_in = self.bytes_out = 0
        self.rare: dict[str, int] = {}

    @property
    def overhead_seconds(self) -> float:
        """Time of requests with an answer of an endpoint before the endpoint had them."""
        return self.duration_seconds - self.upstream_seconds - self.local_seconds

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has ever been counted."""
        return not (self.bytes_in or any(self.counts) or self.retries or self.rare)

    def count(self, method: bytes, status_class: int, seconds: float) -> None:
        """Count an exchange that has ended with an answer of our own, or without a whole one."""
        self._count_request(method, status_class)
        self.counts[2 * bisect_left(SECONDS, seconds) + _FIRST_BUCKET] += 1
        self.duration_seconds += seconds
        self.local_seconds += seconds

    def observe(self, method: bytes, status_class: int, seconds: float, upstream: float) -> None:
        """Count an exchange that has ended with an answer of the endpoint."""
        counts = self.counts
        try:
            counts[REQUESTS[method, status_class]] += 1
        except KeyError:
            self._count_request(method, status_class)
        counts[2 * bisect_left(SECONDS, seconds) + _FIRST_BUCKET] += 1
        self.duration_seconds += seconds
        counts[2 * bisect_left(SECONDS, upstream) + _FIRST_BUCKET + 1] += 1
        self.upstream_seconds += upstream

    def count_switch(self, method: bytes) -> None:
        """Count a request that has become a tunnel; its duration says nothing of our speed."""
        self._count_request(method, 1)

    def count_passed(self, result: str) -> None:
        """Count a TLS connection that has found an endpoint (``ok``), or has not."""
        self._count_rare(f"passed:{result}")

    def count_grpc(self, status: int) -> None:
        """Count a call of gRPC that has ended with that status."""
        self._count_rare(f"grpc:{status}")

    def _count_rare(self, name: str) -> None:
        self.rare[name] = self.rare.get(name, 0) + 1

    def _count_request(self, method: bytes, status_class: int) -> None:
        self.counts[REQUESTS[method if method in METHODS else OTHER, status_class]] += 1


REFERENCE: Final = UpstreamCells.observe
try:
    from fsm_twisted.observe._speedups import observe_method
except ImportError:
    pass
else:
    _observe = observe_method(UpstreamCells, REQUESTS, SECONDS, _FIRST_BUCKET, REFERENCE)
    UpstreamCells.observe = _observe  # type: ignore[method-assign]
