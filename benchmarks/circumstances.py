"""What must stand beside every figure."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def circumstances(python: str) -> dict[str, str]:
    """Return what must stand beside figures: when, which code, on what."""
    probe = (
        "import platform, sys; print(platform.python_implementation(),"
        " platform.python_version(), sys.executable)"
    )
    commit = first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.release()}",
        "load average": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "python": first_line(python, "-c", probe),
    }


def first_line(*command: str) -> str:
    """Return the first line that a command says, on either stream."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "unknown")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
