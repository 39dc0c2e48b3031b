"""How many Events may be written: of one object, and in all. Pure; time is a parameter."""

from __future__ import annotations

from typing import Final

from fsm_twisted.objects.model import ObjectRef

# As client-go's spam filter has it: a burst for each object, then one in five minutes.
OBJECT_BURST: Final = 25
OBJECT_SECONDS: Final = 300.0
TOTAL_BURST: Final = 50
TOTAL_SECONDS: Final = 0.1
_MOST_OBJECTS: Final = 4096


class Bucket:
    """A token bucket, full at first: *burst* tokens, one more every *seconds*."""

    def __init__(self, burst: int, seconds: float, now: float) -> None:
        self._burst = float(burst)
        self._seconds = seconds
        self._tokens = float(burst)
        self._then = now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_seconds(self, now: float) -> float:
        """Return how long it takes until there is a token."""
        self._fill(now)
        return max(1 - self._tokens, 0.0) * self._seconds

    def is_full(self, now: float) -> bool:
        """Return whether nothing would be lost by making it anew."""
        self._fill(now)
        return self._tokens >= self._burst

    def _fill(self, now: float) -> None:
        passed = max(now - self._then, 0.0)
        self._tokens = min(self._burst, self._tokens + passed / self._seconds)
        self._then = now


class ObjectLimits:
    """A bucket for each object; those that are full again are forgotten."""

    def __init__(self) -> None:
        self._buckets: dict[ObjectRef, Bucket] = {}

    def take(self, about: ObjectRef, now: float) -> bool:
        """Return whether one more Event of *about* may be written."""
        bucket = self._buckets.get(about)
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[about] = Bucket(OBJECT_BURST, OBJECT_SECONDS, now)
        return bucket.take(now)

    def _make_room(self, now: float) -> None:
        if len(self._buckets) < _MOST_OBJECTS:
            return
        self._buckets = {
            about: each for about, each in self._buckets.items() if not each.is_full(now)
        }
        while len(self._buckets) >= _MOST_OBJECTS:
            del self._buckets[next(iter(self._buckets))]
