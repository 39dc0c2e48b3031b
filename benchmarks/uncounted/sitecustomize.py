"""
Requests are not counted: what counting costs is the difference (``benchmarks/http.py``).

Python imports a module of this name when it starts, if its folder is on the path; so this is in
force in the master, the nursery and every worker, and nowhere else.
"""

from __future__ import annotations

from fsm_twisted.observe.cells import UpstreamCells


def _observe(_: UpstreamCells, method: bytes, digit: int, seconds: float, own: float) -> None:
    """Count nothing."""


UpstreamCells.observe = _observe  # type: ignore[assignment]
