"""Output: tables for people, JSON for programs; nothing of a request reaches the terminal raw."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsm_twisted.admin.documents.world import Json

_WIDE: Final = 240
_STYLES: Final = {
    "ok": "green", "served": "green", "chosen": "green", "forwarded": "green",
    "degraded": "yellow", "warning": "yellow", "expires_soon": "yellow", "outranked": "dim",
    "no match": "dim", "broken": "red", "error": "red", "lost": "red", "expired": "red",
    "missing": "red", "invalid": "red", "foreign": "red", "unusable": "red", "ejected": "red",
    "not ours": "yellow", "added": "green", "removed": "red", "changed": "yellow",
}  # fmt: skip


def clean(value: object) -> str:
    r"""
    Return *value* as text that a terminal shows and does not obey.

    Whatever is not printable (control characters, escapes, marks that turn text around) is
    written as ``\x1b``.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def cell(value: object) -> Text:
    """Return a cell of a table; words for states have a colour. Markup in *value* is text."""
    text = clean("" if value is None else value)
    return Text(text, style=_STYLES.get(text, ""))


def console() -> Console:
    """Return where tables go: as wide as the terminal, and wide enough for a pipe."""
    is_terminal = sys.stdout.isatty()
    return Console(
        width=None if is_terminal else _WIDE, highlight=False, markup=False, emoji=False
    )


def show_table(columns: Sequence[str], rows: Iterable[Iterable[object]], empty: str) -> None:
    """Write a table; without rows the text *empty*."""
    told = [[cell(value) for value in row] for row in rows]
    if not told:
        console().print(Text(empty))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in told:
        table.add_row(*row)
    console().print(table)


def show_lines(lines: Iterable[tuple[str, object]]) -> None:
    """Write ``name  value`` lines; empty values are left out."""
    told = [(name, cell(value)) for name, value in lines if value not in {None, ""}]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in told:
        table.add_row(name, value)
    console().print(table)


def say(text: str, style: str = "") -> None:
    """Write a line for people; whoever searches what comes out of a pipe gets one line, too."""
    console().print(Text(clean(text), style=style), soft_wrap=not sys.stdout.isatty())


def show_json(document: Json) -> None:
    """Write JSON, ASCII only."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
