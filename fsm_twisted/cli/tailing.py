"""``tail``: requests as they are answered, with the reason of every answer of the proxy."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import click
from rich.text import Text

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.cli.running import DEFAULT_ADMIN, Running
from fsm_twisted.cli.text import clean, console, say

_WAIT_SECONDS: Final = 10
_FAILED: Final = 500
_REFUSED: Final = 400


@click.command()
@click.option(
    "--admin", metavar="URL", envvar="FSM_INGRESS_ADMIN", default=DEFAULT_ADMIN, show_default=True,
    help="The running instance, by its --admin.",
)  # fmt: skip
@click.option("--status", help="Only this one, such as 503, or 5xx.")
@click.option("--reason", help="Only answers of the proxy with this reason code, or any.")
@click.option("--origin", type=click.Choice(["proxy", "upstream"]), help="Who has answered.")
@click.option("--method", help="Only this method.")
@click.option("--host", help="Only hosts with this in them.")
@click.option("--path", help="Only paths with this in them.")
@click.option("--ingress", metavar="NAMESPACE/NAME", help="Only of this Ingress.")
@click.option("--client", metavar="ADDRESS", help="Only of this client.")
@click.option("--count", "-n", type=click.IntRange(min=1), help="End after so many.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so long.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="json: one object a line.",
)  # fmt: skip
def tail(admin: str, count: int | None, seconds: float | None, output: str, **wanted: Any) -> None:
    """Requests as they are answered, until Ctrl-C."""
    parameters = [(name, value) for name, value in wanted.items() if value]
    left = count
    if output == "text" and sys.stdout.isatty():
        say("requests from now on; Ctrl-C ends", "dim")
    try:
        for record in _follow(Running(admin), parameters, seconds):
            _show(record, output)
            left = None if left is None else left - 1
            if left == 0:
                return
    except KeyboardInterrupt:
        return


def _follow(
    instance: Running, parameters: list[tuple[str, str]], seconds: float | None
) -> Iterator[Json]:
    end = None if seconds is None else time.monotonic() + seconds
    position = instance.tell("requests", parameters)["after"]
    while True:
        left = _WAIT_SECONDS if end is None else min(_WAIT_SECONDS, end - time.monotonic())
        if left <= 0:
            return
        more = [("after", str(position)), ("wait", f"{left:.3f}")]
        answer = instance.tell("requests", [*parameters, *more])
        position = answer["after"]
        if answer["was_cut"]:
            say("some requests are not shown: there were too many")
        yield from answer["items"]


def _show(record: Json, output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()
        return
    status = record["status"]
    style = "red" if status >= _FAILED else "yellow" if status >= _REFUSED else "green"
    console().print(
        Text.assemble(
            (clean(record["time"][11:23]), "dim"),
            (f" {status} ", style),
            clean(f"{record['method']} {record['host']}{record['path']}"),
            (clean(f" {record['client']} {record['seconds'] * 1000:.1f} ms"), "dim"),
            clean(f" -> {record['upstream']}" if record["upstream"] else ""),
            (clean(f" [{record['reason']}]" if record["reason"] else ""), style),
            clean(f" {record['namespace']}/{record['ingress']}" if record["ingress"] else ""),
        ),
        soft_wrap=True,
    )
