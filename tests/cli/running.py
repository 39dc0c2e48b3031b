"""The command, run in this process as click runs it."""

from __future__ import annotations

import json
from typing import Any

import attrs
from click.testing import CliRunner

from fsm_twisted.cli.main import program


@attrs.frozen
class Ended:
    """How the command has ended, and what it has said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def fsm_ingress(*words: str, stdin: str = "") -> Ended:
    """Run ``fsm-ingress`` with these words; a traceback is a fault of the test."""
    result = CliRunner().invoke(program, list(words), stdin, prog_name="fsm-ingress")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)
