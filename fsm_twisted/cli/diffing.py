"""``diff``: what changes for clients between two sets of manifests."""

from __future__ import annotations

import sys
from typing import Any

import click

from fsm_twisted.admin.documents.world import Json, versioned
from fsm_twisted.cli.differences import differences
from fsm_twisted.cli.errors import FOUND
from fsm_twisted.cli.offline import read_world
from fsm_twisted.cli.options import (
    compiler_options,
    output_option,
    recursive_option,
    take_compiler_options,
)
from fsm_twisted.cli.switches import Command
from fsm_twisted.cli.text import say, show_json

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command(cls=Command)
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@output_option
@recursive_option
@compiler_options
def diff(old: str, new: str, *, output: str, recursive: bool, **values: Any) -> None:
    """
    What changes for clients from OLD to NEW, each a file or folder of manifests?

    Both are compiled, and what is served is compared, not the text. Ends with 1 when something
    changes.
    """
    options = take_compiler_options(values)
    worlds = [read_world((path,), options, is_recursive=recursive) for path in (old, new)]
    items = differences(*worlds)
    if output == "json":
        show_json(versioned("Differences", {"items": items}))
    else:
        _show(items)
    if items:
        sys.exit(FOUND)


def _show(items: list[Json]) -> None:
    for item in items:
        sign, style = _SIGNS[item["change"]]
        say(f"{sign} {item['what']} {item['name']}", style)
        was, now = item["old"] or {}, item["new"] or {}
        for name in {**was, **now}:
            before, after = was.get(name), now.get(name)
            if item["change"] == "changed" or before != after:
                say(f"    {name}: {_value(before)} -> {_value(after)}")
    if not items:
        say("nothing changes for clients")


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
