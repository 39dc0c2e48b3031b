"""Files behind links that are swapped while somebody looks: mounted ConfigMaps."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fsm_twisted.sources.manifests.files import read_file, signature_of


def swapped_once(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path) -> None:
    """Have the link swapped, and the old folder removed, in the midst of the first look."""
    look: Callable[..., object] = getattr(os, name)
    looks: list[str] = []

    def swapping(path: str, *more: int) -> object:
        looks.append(path)
        if len(looks) > 1:
            return look(path, *more)
        (folder / "new").mkdir()
        (folder / "new" / "a.yaml").write_text("new")
        (folder / "..data_tmp").symlink_to("new")
        os.rename(folder / "..data_tmp", folder / "..data")
        (folder / "old" / "a.yaml").unlink()
        return look(str(folder / "old" / "a.yaml"), *more)

    monkeypatch.setattr(os, name, swapping)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.yaml").write_text("old")
    (tmp_path / "..data").symlink_to("old")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    return tmp_path / "a.yaml"


def test_a_file_whose_folder_is_swapped_while_it_is_looked_at_is_not_gone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped_once(monkeypatch, "stat", file.parent)

    found = signature_of(str(file))

    assert found is not None
    assert found.size == 3


def test_a_file_whose_folder_is_swapped_while_it_is_opened_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped_once(monkeypatch, "open", file.parent)

    found = read_file(str(file), 100)

    assert found is not None
    assert found[0] == b"new"


def test_a_link_to_nothing_is_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("nothing")

    assert signature_of(str(tmp_path / "a.yaml")) is None
    assert read_file(str(tmp_path / "a.yaml"), 100) is None


def test_a_file_that_has_become_a_folder_is_gone_and_holds_no_descriptor(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")

    assert signature_of(str(tmp_path)) is None
    assert read_file(str(tmp_path), 100) is None
    assert len(os.listdir("/proc/self/fd")) == len(before)
