"""How far the workers are apart: for how long some serve what others do not know yet."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.define
class Spread:
    """
    The longest time for which two workers were more than one generation apart.

    Attributes:
        longest_seconds: So far; a span that lasts is in it up to the last call of `tell`.
    """

    longest_seconds: float = 0.0
    _since: float | None = None

    def tell(self, generations: Sequence[int], now: float) -> None:
        """
        Take note of what each worker serves.

        Args:
            generations: Those of the workers that serve.
            now: Since when they serve these, monotonic, in seconds. Workers tell it, so it may be
                a little before that of the call before.
        """
        if self._since is not None:
            self.longest_seconds = max(self.longest_seconds, now - self._since)
        if not generations or max(generations) - min(generations) <= 1:
            self._since = None
        elif self._since is None:
            self._since = now
