"""One option of the command line, as help, documentation and parser need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


@attrs.frozen
class Option:
    """
    One option: how it is written, read, and explained.

    ``accepted`` completes the sentence "accepted: …"; ``read`` raises ValueError for anything
    else, and a text of that error, if it has one, is shown as well.
    """

    name: str
    group: str
    default: str | None
    read: Callable[[str], Any]
    accepted: str
    meaning: str
    repeatable: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether the name alone says "on"."""
        return self.accepted == "on, off"

    @property
    def key(self) -> str:
        """Return the name of the field of `Settings`."""
        return self.name.replace("-", "_")
