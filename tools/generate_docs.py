"""
Write the tables of docs/ that are made from the code.

Run ``python tools/generate_docs.py`` after a change of the annotations, the reason codes, the
options, the metrics or the chart's values; a test_documentation.py (of tests/compiler,
tests/settings, tests/observe, tests/chart) fails while a table is behind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Final

import click
import yaml

from fsm_twisted.cli.errors import EXIT_CODES
from fsm_twisted.cli.main import program
from fsm_twisted.compiler.annotations import ANNOTATIONS
from fsm_twisted.net.handshake import HandshakeResult
from fsm_twisted.observe.access_format import JSON_FIELDS, VARIABLES
from fsm_twisted.observe.exposition import FAMILIES, PREFIX
from fsm_twisted.proxy.places import Refusal
from fsm_twisted.settings import OPTIONS
from fsm_twisted.snapshot.reasons import FINDINGS, REPLIES, SYNCED

# Findings of files and of whole kinds: there is no object whose Events anybody would read.
UNTOLD: Final = ("file_unreadable", "object_repeated", "kind_forbidden")
ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
VALUES: Final = ROOT / "charts" / "fsm" / "values.yaml"
_VALUES_LINE: Final = re.compile(r"(?P<indent> *)(?:# (?P<comment>.*)|(?P<key>\w+):.*)")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    columns = tuple(columns)
    lines = [columns, tuple("---" for _ in columns), *(tuple(row) for row in rows)]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def honoured_annotations() -> str:
    """Return the annotations that are honoured."""
    columns = ("name", "values", "default", "effect", "error", "risk", "example")
    return table(
        columns,
        (
            (
                f"`{each.name}`",
                each.values,
                each.default_text,
                each.effect,
                each.error,
                each.risk,
                f"`{each.example}`",
            )
            for each in ANNOTATIONS
        ),
    )


def replies() -> str:
    """Return the codes of replies that the proxy makes itself."""
    rows = (
        (f"`{each.code}`", str(each.status), each.text, each.meaning) for each in REPLIES.values()
    )
    return table(("code", "status", "body", "meaning"), rows)


def findings() -> str:
    """Return the codes of findings."""
    rows = (
        (f"`{each.code}`", each.severity.value, each.meaning, each.remedy)
        for each in FINDINGS.values()
    )
    return table(("code", "severity", "meaning", "remedy"), rows)


def events() -> str:
    """Return the Events of Kubernetes by reason."""
    rows = [
        (f"`{SYNCED}`", "Normal", "", "every worker serves the Ingress as it is now"),
        *(
            (f"`{each.event}`", "Warning", f"`{each.code}`", each.meaning)
            for each in FINDINGS.values()
            if each.code not in UNTOLD
        ),
    ]
    return table(("reason", "type", "finding", "meaning"), rows)


def options() -> str:
    """Return the options of the program, a table for each group."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for each in OPTIONS:
        default = "" if each.default is None else f"`{each.default}`"
        meaning = f"{each.meaning} Repeatable." if each.repeatable else each.meaning
        row = (f"`--{each.name}`", each.accepted, default, meaning)
        groups.setdefault(each.group, []).append(row)
    columns = ("option", "accepted", "default", "meaning")
    return "\n".join(f"## {group}\n\n{table(columns, rows)}" for group, rows in groups.items())


def metrics() -> str:
    """Return the series of /metrics."""
    rows = (
        (f"`{PREFIX}{each.name}`", each.kind, ", ".join(f"`{n}`" for n in each.labels), each.help)
        for each in FAMILIES
    )
    return table(("name", "type", "labels", "meaning"), rows)


def handshake_results() -> str:
    """Return the values of the label of TLS handshakes."""
    return ", ".join(f"`{each.value}`" for each in HandshakeResult) + "\n"


def refusals() -> str:
    """Return the values of the label of refused connections."""
    return table(
        ("reason", "meaning"), ((f"`{each.name.lower()}`", each.value) for each in Refusal)
    )


def access_json() -> str:
    """Return the members of a JSON line of the access log."""
    rows = ((f"`{name}`", meaning) for name, meaning in JSON_FIELDS.items())
    return table(("member", "meaning"), rows)


def access_variables() -> str:
    """Return the variables of formats of the access log."""
    rows = ((f"`${each.name}`", each.meaning) for each in VARIABLES)
    return table(("variable", "meaning"), rows)


def described_values(text: str) -> dict[str, tuple[Any, str]]:
    """Return the values of the chart that have a comment above them: default and meaning."""
    defaults = yaml.safe_load(text)
    found: dict[str, tuple[Any, str]] = {}
    above: list[tuple[int, str]] = []
    comment = ""
    for line in text.splitlines():
        match = _VALUES_LINE.fullmatch(line)
        if match is None:
            comment = ""
        elif match["comment"] is not None:
            comment = f"{comment} {match['comment']}".strip()
        else:
            indent = len(match["indent"])
            above = [each for each in above if each[0] < indent] + [(indent, match["key"])]
            path = [key for _, key in above]
            if comment and len(path) > 1:
                found[".".join(path)] = (reduce(getitem, path, defaults), comment)
            comment = ""
    return found


def chart_values() -> str:
    """Return the values of the chart."""
    rows = (
        (f"`{path}`", f"`{json.dumps(default)}`", meaning)
        for path, (default, meaning) in described_values(VALUES.read_text()).items()
    )
    return table(("value", "default", "meaning"), rows)


def commands() -> str:
    """Return the commands of fsm-ingress."""
    rows = (
        (f"`{_usage(command)}`", (command.help or "").strip().partition("\n")[0])
        for command in program.commands.values()
    )
    return table(("command", "what it tells"), rows)


def _usage(command: click.Command) -> str:
    arguments = (each for each in command.params if isinstance(each, click.Argument))
    return " ".join((str(command.name), *(each.human_readable_name for each in arguments)))


def exits() -> str:
    """Return the exit codes of fsm-ingress."""
    return table(("code", "means"), ((str(code), meaning) for code, meaning in EXIT_CODES))


TABLES: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "annotations.md": {"annotations": honoured_annotations},
    "reason-codes.md": {"replies": replies, "findings": findings},
    "cluster.md": {"events": events},
    "cli.md": {"commands": commands, "exits": exits},
    "options.md": {"options": options},
    "access-log.md": {"json": access_json, "variables": access_variables},
    "install.md": {"values": chart_values},
    "metrics.md": {"metrics": metrics, "results": handshake_results, "refusals": refusals},
}


def renewed(page: str, text: str) -> str:
    """Return *text* of the docs/ file *page* with its tables made anew between their markers."""
    for name, made in TABLES[page].items():
        begin, end = f"<!-- table {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{made()}\n{end}{after}"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Renew every page in place."""
    for page in TABLES:
        path = DOCS / page
        path.write_text(renewed(page, path.read_text()))
        print(f"renewed {path}")


if __name__ == "__main__":
    main()
