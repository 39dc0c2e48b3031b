"""How many processors this process may use, as Linux tells it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")

Quota = Callable[[Path], float | None]


def usable_cpus(root: Path = _ROOT) -> int:
    """
    Return the smaller of the CPU affinity and the CPU quota of the cgroup, at least 1.

    A quota is rounded down: a process more than it allows would only be throttled.

    Args:
        root: Where ``proc`` and ``sys`` are; another one in tests.
    """
    allowed = float(len(os.sched_getaffinity(0)))
    return max(1, int(min([allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Tell the quotas of this process's cgroups and of those above, in processors."""
    text = ""
    with suppress(OSError):
        text = (root / "proc/self/cgroup").read_text()
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _each_level(root / "sys/fs/cgroup", path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for name in (controllers, "cpu"):
                yield from _each_level(root / "sys/fs/cgroup" / name, path, _quota_v1)


def _each_level(mount: Path, path: str, quota: Quota) -> Iterator[float]:
    folder = mount / path.strip("/")
    # In a container the path may be that of the host; its own is then at the mount's top.
    for each in (folder, *folder.parents):
        if not each.is_relative_to(mount):
            return
        with suppress(OSError, ValueError):
            found = quota(each)
            if found is not None:
                yield found


def _quota_v2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    period = int((folder / "cpu.cfs_period_us").read_text())
    return None if quota <= 0 else quota / period
