"""Switches of the program as options here: alone, which means on, or with on or off behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence, Set
from typing import Any, Final

import click

_WORDS: Final = ("on", "off")


class Switch(click.Option):
    """An option whose value is on or off, for the command a `bool`; of a `Command` alone."""

    def __init__(self, names: Sequence[str], **attributes: Any) -> None:
        """Take what an option takes, but for type, default and callback."""
        super().__init__(
            names,
            type=click.Choice(_WORDS),
            default="off",
            callback=lambda _context, _option, word: word == "on",
            **attributes,
        )


class Command(click.Command):
    """A command that may have switches."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read *args*, each switch with the word that belongs to it."""
        switches = {name for each in self.params if isinstance(each, Switch) for name in each.opts}
        return super().parse_args(ctx, list(_with_words(args, switches)))


def _with_words(args: Sequence[str], switches: Set[str]) -> Iterator[str]:
    """Yield *args*, where a switch and its word are one: ``--mtls=on``."""
    rest = deque(args)
    while rest:
        argument = rest.popleft()
        if argument == "--":
            yield argument
            yield from rest
            return
        if argument in switches:
            word = rest.popleft() if rest and rest[0] in _WORDS else "on"
            argument = f"{argument}={word}"
        yield argument
