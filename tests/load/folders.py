"""The ways in which people put manifests into a folder, each with its own dangers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Folder(Protocol):
    """A folder that the program watches."""

    @property
    def path(self) -> Path:
        """What ``--manifests`` names."""

    def write(self, name: str, text: str) -> None:
        """Make *text* the contents of a new or known file."""

    def remove(self, name: str) -> None:
        """Delete a file."""


class Renamed:
    """Every file is written aside and renamed over the old one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def write(self, name: str, text: str) -> None:
        """Replace the file at once."""
        aside = self.path / f".{name}.new"
        aside.write_text(text)
        aside.rename(self.path / f"{name}.yaml")

    def remove(self, name: str) -> None:
        """Delete the file."""
        (self.path / f"{name}.yaml").unlink()


class InPlace:
    """Files are emptied and filled again, document after document, as shells do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def write(self, name: str, text: str) -> None:
        """Empty and fill the file."""
        half = text.find("---", len(text) // 2)
        with (self.path / f"{name}.yaml").open("w") as file:
            for part in (text[:half], text[half:]):
                file.write(part)
                file.flush()

    def remove(self, name: str) -> None:
        """Delete the file."""
        (self.path / f"{name}.yaml").unlink()


class Mounted:
    """Files are links into ``..data``, a link that is swapped, as Kubernetes mounts volumes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, str] = {}
        self._version = 0
        path.mkdir()

    def write(self, name: str, text: str) -> None:
        """Make a new version of the whole folder, and swap to it."""
        self._files[f"{name}.yaml"] = text
        self._swap()
        link = self.path / f"{name}.yaml"
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}.yaml")

    def remove(self, name: str) -> None:
        """Make a version without the file, swap, and take away its link."""
        del self._files[f"{name}.yaml"]
        self._swap()
        (self.path / f"{name}.yaml").unlink()

    def _swap(self) -> None:
        old = self.path / f"..version-{self._version}"
        self._version += 1
        new = self.path / f"..version-{self._version}"
        new.mkdir()
        for file, text in self._files.items():
            (new / file).write_text(text)
        aside = self.path / "..data_tmp"
        aside.symlink_to(new.name)
        os.replace(aside, self.path / "..data")
        if old.exists():
            for file_path in old.iterdir():
                file_path.unlink()
            old.rmdir()
