"""Whatever is done to the files: following them says the same as starting anew."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.sources.manifests import Contents
from tests.sources.following import Following
from tests.sources.manifests import replace, service, swap_link

FOLDERS = ("live", "other")
FILES = ("a.yaml", "b.yaml")

Act = Callable[[Path], None]

files = st.builds(os.path.join, st.sampled_from(FOLDERS), st.sampled_from(FILES))
ports = st.integers(1, 9)


def write(file: str, port: int) -> Act:
    return lambda root: void((root / file).write_text(service(port=port)))


def exchange(file: str, port: int) -> Act:
    return lambda root: replace(root / file, service(port=port))


def delete(file: str) -> Act:
    return lambda root: (root / file).unlink()


def move(source: str, target: str) -> Act:
    return lambda root: os.replace(root / source, root / target)


def link(file: str, target: str) -> Act:
    return lambda root: swap_link(root / file, f"../{target}")


def remove_folder(folder: str) -> Act:
    return lambda root: shutil.rmtree(root / folder)


def make_folder(folder: str) -> Act:
    return lambda root: (root / folder).mkdir()


def move_folder(source: str, target: str) -> Act:
    return lambda root: os.rename(root / source, root / target)


def link_folder(folder: str, target: str) -> Act:
    return lambda root: swap_link(root / folder, target)


def void(_: object) -> None:
    """Drop a result."""


folders = st.sampled_from(FOLDERS)
acts = st.one_of(
    st.builds(write, files, ports),
    st.builds(exchange, files, ports),
    st.builds(delete, files),
    st.builds(move, files, files),
    st.builds(link, files, files),
    st.builds(remove_folder, folders),
    st.builds(make_folder, folders),
    st.builds(move_folder, folders, folders),
    st.builds(link_folder, folders, folders),
)


def attempt(act: Act, root: Path) -> None:
    """Do it, if it can be done just now."""
    try:
        act(root)
    except OSError:
        for left_over in (*root.glob("*_tmp"), *root.glob("*/*_tmp")):
            left_over.unlink()


def read_anew(folder: Path) -> Contents:
    """Return what a source finds that starts now."""
    if not folder.exists():
        return Contents()
    following = Following(folder)
    try:
        return following.source.start()
    finally:
        following.source.stop()


@settings(max_examples=60)
@given(st.lists(st.tuples(acts, st.booleans()), max_size=12))
def test_following_says_the_same_as_starting_anew(steps: list[tuple[Act, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in FOLDERS:
            (root / folder).mkdir()
        following = Following(root / "live")
        following.source.start()
        try:
            for act, is_noticed_at_once in steps:
                attempt(act, root)
                if is_noticed_at_once:
                    following.settle()
            following.settle()
            problems = following.source.contents.problems

            # Links in a circle are a fault, and after a fault what was good before still counts.
            if not any("still count" in problem.instead for problem in problems):
                assert following.source.contents == read_anew(root / "live")
        finally:
            following.source.stop()
