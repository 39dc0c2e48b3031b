"""
The cells that the hot path counts into: plain numbers of one process, never shared.

A cell is made once for each (Ingress, Service) and found without a look-up; rendering reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

# Of ingress-nginx (Prometheus' default), in seconds; a value over the last counts as "+Inf".
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS: Final[Mapping[bytes, str]] = {
    method.encode("ascii"): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
}
OTHER: Final = b"OTHER"  # stands for every other method: clients may think up as many as they like


class Histogram:
    """Counts of durations by bucket (not cumulated; the last one is over all bounds), and sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds


class UpstreamCells:
    """
    What is counted for one (Ingress, Service).

    ``requests`` is keyed by method and first digit of the status. ``duration`` is from the head
    of the request to the end of the answer, ``upstream`` the part of it between sending the
    request and the end of the answer. ``local_seconds`` is the part of ``duration`` that belongs
    to answers of our own. Bytes are those of messages as clients see them. ``passed`` counts TLS
    connections that were to go through: ``ok``, or why not.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "duration",
        "local_seconds",
        "passed",
        "requests",
        "retries",
        "upstream",
    )

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin at zero."""
        self.requests: dict[tuple[bytes, int], int] = {}
        self.duration = Histogram()
        self.upstream = Histogram()
        self.local_seconds = 0.0
        self.retries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.passed: dict[str, int] = {}

    @property
    def overhead_seconds(self) -> float:
        """Time of requests with an answer of an endpoint before the endpoint had them."""
        return self.duration.seconds - self.upstream.seconds - self.local_seconds

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has ever been counted."""
        return not (self.requests or self.bytes_in or self.retries or self.passed)

    def count(self, method: bytes, status_class: int, seconds: float) -> None:
        """Count an exchange that has ended with an answer of our own."""
        self._count_request(method, status_class)
        self.duration.observe(seconds)
        self.local_seconds += seconds

    def observe(self, method: bytes, status_class: int, seconds: float, upstream: float) -> None:
        """Count an exchange that has ended with an answer of the endpoint."""
        key = (method, status_class)
        requests = self.requests
        if key in requests:
            requests[key] += 1
        else:
            self._count_request(method, status_class)
        histogram = self.duration
        histogram.counts[bisect_left(SECONDS, seconds)] += 1
        histogram.seconds += seconds
        histogram = self.upstream
        histogram.counts[bisect_left(SECONDS, upstream)] += 1
        histogram.seconds += upstream

    def count_switch(self, method: bytes) -> None:
        """Count a request that has become a tunnel; its duration says nothing of our speed."""
        self._count_request(method, 1)

    def count_passed(self, result: str) -> None:
        """Count a TLS connection that has found an endpoint (``ok``), or has not."""
        self.passed[result] = self.passed.get(result, 0) + 1

    def _count_request(self, method: bytes, status_class: int) -> None:
        key = (method if method in METHODS else OTHER, status_class)
        self.requests[key] = self.requests.get(key, 0) + 1
