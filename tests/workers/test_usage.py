"""What a process uses, as the kernel tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fsm_twisted.workers.usage import ProcessorTime, Usage, usage_of


def test_a_name_with_parentheses_and_spaces_shifts_no_number(tmp_path: Path) -> None:
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "fd" / "0").touch()
    numbers = [str(number) for number in range(3, 53)]
    (tmp_path / "7" / "stat").write_text(f"7 (a) b) (c) S {' '.join(numbers[1:])}\n")

    found = usage_of(7, tmp_path)

    # proc(5): utime is the 14th number, stime the 15th, rss the 24th.
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert found == Usage((14 + 15) / ticks, 24 * page, 1)


def test_this_process_has_used_something() -> None:
    found = usage_of(os.getpid())

    assert found is not None
    assert found.cpu_seconds > 0
    assert found.resident_bytes > 1_000_000
    assert found.open_fds >= 3


def test_a_process_that_has_gone_uses_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    assert usage_of(process.pid) is None


def test_processor_time_never_falls_when_a_process_is_replaced() -> None:
    time = ProcessorTime()
    totals = []
    for pid, seconds in ((1, 1.0), (1, 2.5), (2, 0.5), (2, 1.0), (1, 0.25)):
        time.tell(pid, seconds)
        totals.append(time.total_seconds)

    assert totals == [1.0, 2.5, 3.0, 3.5, 3.75]
