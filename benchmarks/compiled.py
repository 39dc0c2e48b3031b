"""A copy of ours with the compiled core, to be measured beside the pure one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.measure import BenchmarkError

ROOT = Path(__file__).resolve().parent.parent
LOADS = ("plain", "tls", "post")  # where it has something to do
_PACKAGE = "fsm_twisted"
_BUILT = "_speedups*.so"


def is_built() -> bool:
    """Tell whether this checkout has a compiled core, which ours would then use."""
    return any((ROOT / _PACKAGE).rglob(_BUILT))


def make_copy(folder: Path, python: str) -> Path:
    """
    Build a copy for *python* and return its root.

    Raises:
        BenchmarkError: It cannot be built; the compiler's last words are in the text.
    """
    root = folder / "compiled"
    shutil.copytree(ROOT / _PACKAGE, root / _PACKAGE, ignore=shutil.ignore_patterns(_BUILT))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, root)
    done = subprocess.run(
        [python, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=root,
        env=os.environ | {"FSM_TWISTED_SPEEDUPS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not any(root.rglob(_BUILT)):
        raise BenchmarkError(f"the compiled core: {done.stderr.strip()[-300:]}")
    return root
