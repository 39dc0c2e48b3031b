"""
Rendezvous hashing: every key has its own order of all endpoints, and takes the first one there.

(Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.) So an endpoint
that leaves moves only its own keys, and one that joins takes an equal share from everybody. The
order comes from key, address and port alone: it is the same in every worker and replica, and
after every restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Final, Generic

from fsm_twisted.balancing.load import L, usable

_MASK: Final = (1 << 64) - 1
_MIX_FIRST: Final = 0x9E3779B97F4A7C15
_MIX_SECOND: Final = 0xD6E8FEB86659FD93

_LONG_KEY_BYTES: Final = 64
_KEPT_KEYS: Final = 1024


class Rendezvous(Generic[L]):
    """
    Picks by the hash of the key; needs no draw.

    The winners of the last 1024 keys are kept, so a key that comes again costs one look-up
    whatever the number of endpoints. A new key costs about 0.3 µs for each endpoint.
    """

    __slots__ = ("_loads", "_winners")

    needs_key = True

    def __init__(self) -> None:
        self._loads: tuple[L, ...] = ()
        self._winners: dict[bytes, L] = {}

    def update(self, loads: Sequence[L]) -> None:
        """Take the loads of the current endpoints; the same ones again change nothing."""
        new = tuple(loads)
        if new != self._loads:
            self._loads = new
            self._winners.clear()

    def pick(self, key: bytes = b"", tried: Collection[L] = ()) -> L | None:
        """Return the endpoint that *key* belongs to; see `Balancer.pick`."""
        if len(key) > _LONG_KEY_BYTES:
            key = blake2b(key, digest_size=16).digest()
        load = self._winners.get(key)
        if load is None:
            load = _first(_point(key), self._loads)
            if load is None:
                return None
            if len(self._winners) >= _KEPT_KEYS:
                self._winners.clear()
            self._winners[key] = load
        if not load.available or (tried and load in tried):
            return _first(_point(key), usable(self._loads, tried))
        return load


def _point(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8, person=b"fsm-key").digest(), "big")


def _first(point: int, loads: Iterable[L]) -> L | None:
    best, highest = None, -1
    for load in loads:
        # Two rounds of multiply and fold (as in splitmix64): every bit of point and seed reaches
        # the high bits, which decide.
        mixed = (point ^ load.seed) * _MIX_FIRST & _MASK
        score = (mixed ^ mixed >> 32) * _MIX_SECOND & _MASK
        if score > highest:
            best, highest = load, score
    return best
