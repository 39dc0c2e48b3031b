"""Manifest texts and files for the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fsm_twisted.sources.manifests import Contents

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  ports:
  - port: {port}
"""


def service(name: str = "web", port: int = 80) -> str:
    return SERVICE.format(name=name, port=port)


def services(*names: str) -> str:
    return "---\n".join(service(name) for name in names)


def names(contents: Contents) -> list[str]:
    return sorted(each.metadata.name for each in contents.objects)


def replace(path: Path, text: str) -> None:
    """Put a file in the place of another in one step, as careful writers do."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    temporary.rename(path)


def swap_link(link: Path, target: str) -> None:
    """Lead a link elsewhere in one step, as the kubelet does."""
    temporary = link.with_name(f"{link.name}_tmp")
    temporary.symlink_to(target)
    os.replace(temporary, link)


Predicate = Callable[[], bool]
