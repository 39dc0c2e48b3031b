"""What is logged of clients whose certificates were refused."""

from __future__ import annotations

from collections import Counter
from typing import Final

from twisted.logger import Logger

_log = Logger()

LOG_SECONDS: Final = 10.0
MOST_KINDS: Final = 100
"""So many pairs of host and fault are told apart; clients choose names under a wildcard."""


class RefusedClients:
    """Counts refused handshakes by host and fault, and logs them now and then."""

    def __init__(self) -> None:
        self._unlogged: Counter[tuple[bytes, str]] = Counter()
        self._log_after = 0.0

    def note(self, server_name: bytes, fault: str) -> None:
        """Know of a client that was not let in."""
        kind = (server_name.lower(), fault)
        if kind not in self._unlogged and len(self._unlogged) >= MOST_KINDS:
            kind = (b"other hosts", fault)
        self._unlogged[kind] += 1

    def report(self, now: float) -> None:
        """Log what has been noted since the last time, at most every 10 s."""
        if not self._unlogged or now < self._log_after:
            return
        self._log_after = now + LOG_SECONDS
        told, self._unlogged = self._unlogged, Counter()
        for (host, fault), number in told.items():
            _log.warn(
                "{number} clients of {host} refused for their certificate: {fault}",
                number=number,
                host=host.decode("ascii", "backslashreplace"),
                fault=fault,
            )
