from __future__ import annotations

import runpy
from pathlib import Path

import pytest

CHECK = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "check_wheel.py"))
GOOD = [
    "fsm_twisted/__init__.py",
    "fsm_twisted/py.typed",
    "fsm_twisted-1.dist-info/RECORD",
    "twisted/plugins/fsm_ingress_plugin.py",
]


def test_our_package_and_the_dropin_are_fine() -> None:
    assert CHECK["complaints"](GOOD) == []


@pytest.mark.parametrize(
    "name",
    ["twisted/plugins/__init__.py", "twisted/__init__.py", "tests/__init__.py", "fsm_twisted.py"],
)
def test_a_foreign_file_is_named(name: str) -> None:
    assert CHECK["complaints"]([*GOOD, name]) == [f"foreign file in the wheel: {name}"]


@pytest.mark.parametrize("name", ["fsm_twisted/py.typed", "twisted/plugins/fsm_ingress_plugin.py"])
def test_a_missing_file_is_named(name: str) -> None:
    rest = [other for other in GOOD if other != name]

    assert CHECK["complaints"](rest) == [f"missing in the wheel: {name}"]
