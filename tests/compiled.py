"""The compiled modules: those that were built in place, or else built for the tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def compiled(name: str, places: pytest.TempPathFactory) -> ModuleType:
    """Return the compiled module *name*; skip the test where nothing can be compiled."""
    if importlib.util.find_spec(name) is not None:
        return importlib.import_module(name)
    path = (built(places) / name.replace(".", "/")).with_suffix(EXTENSION_SUFFIXES[0])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    return importlib.util.module_from_spec(spec)


def built(places: pytest.TempPathFactory) -> Path:
    """Build them, once a session, and return where; skip the test where that cannot be."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("no headers of Python here")
    folder = places.getbasetemp() / "speedups"
    if not folder.exists():
        command = [sys.executable, "setup.py", "-q", "build_ext"]
        into = ["--build-lib", str(folder / "lib"), "--build-temp", str(folder / "temp")]
        asked = os.environ | {"FSM_TWISTED_SPEEDUPS": "1"}
        subprocess.run([*command, *into], cwd=ROOT, env=asked, check=True, capture_output=True)
    return folder / "lib"
