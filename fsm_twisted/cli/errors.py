"""How a command ends."""

from __future__ import annotations

from typing import Final

import click

OK: Final = 0
FOUND: Final = 1
"""There are findings, differences, or the request does not reach a Service."""
TROUBLE: Final = 2
"""What was asked could not be done: wrong usage, unreadable files, nobody answers."""

EXIT_CODES: Final = (
    (OK, "nothing to complain of"),
    (
        FOUND,
        "`lint` has findings, `diff` differences, or the request of `explain` reaches no Service",
    ),
    (
        TROUBLE,
        "wrong usage, a path that cannot be read, a cluster or an instance that does not answer, "
        "standard output that cannot be written",
    ),
)


class Trouble(click.ClickException):
    """What was asked cannot be done; the text says why, in one line."""

    exit_code = TROUBLE
