"""
Who accepts the next connection: how many each worker has, in memory that all of them share.

The kernel wakes every worker for a new connection, and the first one there takes it; that may be
the same one again and again. So a worker that has more than another leaves the connection alone
for a moment; nobody waits for a worker that does not come.
"""

from __future__ import annotations

import mmap
from typing import Final

_SLOT_BYTES: Final = 8
_ABSENT: Final = (1 << 64) - 1


class Shares:
    """
    The numbers of connections of all workers of one nursery; made before they are forked.

    Args:
        workers: How many there may be, numbered from 1 on.
    """

    def __init__(self, workers: int) -> None:
        self._slots = memoryview(mmap.mmap(-1, workers * _SLOT_BYTES)).cast("Q")
        for number in range(1, workers + 1):
            self.leave(number)

    def leave(self, number: int) -> None:
        """Say that worker *number* accepts nothing."""
        self._slots[number - 1] = _ABSENT

    def is_ahead(self, number: int, connections: int) -> bool:
        """Say how many connections worker *number* has; tell whether another has clearly fewer."""
        slots = self._slots
        slots[number - 1] = connections
        fewest = min(slots)
        # An eighth, so that the usual ups and downs of busy workers delay nobody.
        return fewest + fewest // 8 + 4 < connections
