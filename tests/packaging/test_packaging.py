"""
Wheel, editable and uninstall, each in an environment of its own.

The environments hold copies of what is installed beside us, so nothing is fetched: an index
would make these tests slow, and theirs is not what is in question.
"""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[2]
BUILD_BACKEND = "setuptools"
SOURCES = (
    *("fsm_twisted", "twisted", "setup.cfg", "setup.py", "MANIFEST.in", "pyproject.toml"),
    *("README.md", "LICENSE"),
)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


class Environment:
    """A virtual environment with our dependencies but without ourselves."""

    def __init__(self, folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder], check=True
        )
        self._python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python3*/site-packages")

    def pip(self, *arguments: str | Path) -> None:
        subprocess.run([*PIP, "--python", self._python, *arguments], check=True, cwd="/")

    def plugins(self) -> str:
        """Return what ``twistd --help`` says, asked from a place that is not the checkout."""
        script = "from twisted.scripts.twistd import run; run()"
        command: list[str | Path] = [self._python, "-c", script, "--help"]
        done = subprocess.run(command, check=True, cwd="/", capture_output=True, text=True)
        return done.stdout


def dependencies() -> Iterator[Distribution]:
    """Yield what we need to run, all the way down, and the build backend."""
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    waiting = [BUILD_BACKEND, *settings["options"]["install_requires"].split()]
    seen = set()
    while waiting:
        wanted = Requirement(waiting.pop())
        if wanted.name in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        seen.add(wanted.name)
        yield (found := distribution(wanted.name))
        waiting += found.requires or []


def copy_dependencies(site: Path) -> None:
    for found in dependencies():
        for file in found.files or []:
            source = Path(str(found.locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.exists():
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    copy_dependencies(site)
    return site


@pytest.fixture
def environment(tmp_path: Path, template: Path) -> Environment:
    made = Environment(tmp_path / "environment")
    shutil.copytree(template, made.site, dirs_exist_ok=True)
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the sources, so that building leaves no trace in the real ones."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    without = shutil.ignore_patterns("__pycache__", "dropin.cache")
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=without)
        else:
            shutil.copyfile(source, copy / name)
    return copy


def build_wheel(checkout: Path, folder: Path) -> Path:
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    subprocess.run([*PIP, "wheel", *options, checkout], check=True, cwd="/")
    (wheel,) = folder.glob("*.whl")
    return wheel


def files_below(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.suffix == ".py"}


def test_a_wheel_brings_the_plugin_and_takes_only_its_own_files_along(
    environment: Environment, checkout: Path, tmp_path: Path
) -> None:
    wheel = build_wheel(checkout, tmp_path / "dist")
    before = files_below(environment.site / "twisted")
    check: list[str | Path] = [sys.executable, CHECKOUT / "tools" / "check_wheel.py", wheel.parent]
    assert subprocess.run(check, check=False).returncode == 0

    environment.pip("install", "--no-deps", "--no-index", wheel)
    assert "fsm-ingress" in environment.plugins()

    environment.pip("uninstall", "--yes", "fsm-twisted")
    assert files_below(environment.site / "twisted") == before
    left = environment.plugins()
    assert "fsm-ingress" not in left
    assert "web" in left


def test_an_editable_install_shows_the_plugin_from_anywhere(
    environment: Environment, checkout: Path
) -> None:
    options = ("--no-deps", "--no-build-isolation", "--no-index")
    environment.pip("install", *options, "--editable", checkout)

    assert "fsm-ingress" in environment.plugins()


def test_no_file_of_ours_turns_twisteds_plugin_folder_into_a_package() -> None:
    assert not tuple((CHECKOUT / "twisted").rglob("__init__.py"))
