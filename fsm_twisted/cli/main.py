"""The command ``fsm-ingress``, which is ``kubectl fsm-ingress``, too."""

from __future__ import annotations

import errno
import os
import sys
from typing import Final, NoReturn

import click
from click.shell_completion import get_completion_class

from fsm_twisted._version import __version__
from fsm_twisted.admin.documents.world import API_VERSION
from fsm_twisted.cli.diffing import diff
from fsm_twisted.cli.errors import TROUBLE
from fsm_twisted.cli.explaining import explain
from fsm_twisted.cli.linting import lint
from fsm_twisted.cli.lists import backends, certs, routes
from fsm_twisted.cli.running import Running
from fsm_twisted.cli.tailing import tail
from fsm_twisted.cli.text import say, show_json

PROGRAM: Final = "fsm-ingress"
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE})
_SHELLS: Final = ("bash", "zsh", "fish")
_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(name=PROGRAM, context_settings=_SETTINGS)
def program() -> None:
    """
    Look at Ingresses as fsm-ingress serves them, and learn why.

    Commands look at manifests (--manifests, offline, by the same compiler) or at a running
    instance (--admin). They end with 0 when there is nothing to complain of, with 1 when there
    is, and with 2 when they could not do what was asked.
    """


@click.command()
@click.option("--admin", metavar="URL", help="Tell the version of this instance as well.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def version(admin: str | None, output: str) -> None:
    """Which version is this?"""
    told = {"client": __version__, "api": str(API_VERSION)}
    if admin is not None:
        told["instance"] = Running(admin).tell("overview")["program"]["version"]
    if output == "json":
        show_json(dict(told))
        return
    for name, value in told.items():
        say(f"{name} {value}")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """
    Write the completion script of a shell.

    For bash: source <(fsm-ingress completion bash)
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  click knows these three
    click.echo(found(program, {}, PROGRAM, "_FSM_INGRESS_COMPLETE").source())


for each in (explain, routes, backends, certs, lint, diff, tail, version, completion):
    program.add_command(each)


def main() -> None:
    """Run the command; never returns."""
    if sys.__stdout__ is None:
        _end_unwritten("it is closed")
    try:
        try:
            program(prog_name=PROGRAM)
        finally:
            # What fails at the interpreter's own flush has neither a clear word nor an exit code.
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:  # Whoever reads has seen enough.
            sys.exit(TROUBLE)
        _end_unwritten(error.strerror or "the disk does not take it")


def _end_unwritten(why: str) -> NoReturn:
    click.echo(f"Error: standard output cannot be written: {why}", err=True)
    sys.exit(TROUBLE)


if __name__ == "__main__":
    main()
