"""``routes``, ``backends`` and ``certs``: what there is, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.cli.options import Where, output_option, where_options
from fsm_twisted.cli.switches import Command
from fsm_twisted.cli.text import show_json, show_table


def name_of(ref: Json) -> str:
    """Return ``namespace/name``."""
    return f"{ref['namespace']}/{ref['name']}" if ref["namespace"] else str(ref["name"])


def _filters(*named: tuple[str, str]) -> Callable[[Any], Any]:
    """Add an option for each parameter of the list, by name and help, ``query`` and the output."""

    def add(command: Any) -> Any:
        command = output_option(command)
        command = click.option("--query", "q", metavar="TEXT", help="Only rows with this text.")(
            command
        )
        for name, help_text in reversed(named):
            command = click.option(f"--{name}", metavar="TEXT", help=help_text)(command)
        return where_options(command)

    return add


def _document(where: Where, address: str, wanted: Mapping[str, str | None]) -> Json:
    return where.told().tell(address, [(name, value) for name, value in wanted.items() if value])


_STATE: Final = ("state", "Only ok, degraded or broken ones.")


@click.command(cls=Command)
@_filters(
    ("namespace", "Only of Ingresses in this namespace."),
    ("host", "Only of this host, as the Ingress writes it."),
    _STATE,
)
def routes(where: Where, *, output: str, **wanted: str | None) -> None:
    """Every path that an Ingress wants, and what has become of it."""
    document = _document(where, "routes", wanted)
    if output == "json":
        show_json(document)
        return
    columns = ("STATE", "HOST", "PATH", "MATCH", "GOES TO", "INGRESS", "WHY")
    rows = (
        (
            row["state"],
            row["host"] or "*",
            row["path"],
            row["match"],
            row["backend"],
            name_of(row["ingress"]),
            why_of(row),
        )
        for row in document["items"]
    )
    show_table(columns, rows, "no Ingress of ours wants any path")


def why_of(row: Json) -> str:
    """Say what is the matter with a row of the routes."""
    codes = ", ".join(row["findings"])
    if row["served_instead"]:
        what = f"{row['outcome']} to {name_of(row['served_instead']['object'])}"
    elif row["answer"]:
        what = f"{row['answer']['status']} {row['answer']['code']}"
    else:
        return codes
    return f"{what}: {codes}" if codes else what


@click.command(cls=Command)
@_filters(
    ("namespace", "Only of Services in this namespace."),
    ("service", "Only of this Service."),
    _STATE,
)
def backends(where: Where, *, output: str, **wanted: str | None) -> None:
    """Services that Ingresses lead to, with their endpoints as they are now."""
    document = _document(where, "upstreams", wanted)
    if output == "json":
        show_json(document)
        return
    columns = (
        "STATE", "SERVICE", "INGRESS", "BALANCING", "ENDPOINT", "HEALTH", "IN FLIGHT", "IDLE",
        "REQUESTS",
    )  # fmt: skip
    rows = (line for row in document["items"] for line in _endpoints(row))
    show_table(columns, rows, "no Ingress of ours leads to a Service that exists")


def _endpoints(row: Json) -> list[tuple[object, ...]]:
    head = (
        row["state"],
        f"{row['namespace']}/{row['service']}:{row['port']}",
        name_of(row["ingress"]),
        row["policies"]["balancing"],
    )
    total = row["requests"]["total"]
    lines: list[tuple[object, ...]] = [
        (each["endpoint"], each["health"], each["in_flight"], each["idle_connections"])
        for each in row["endpoints"]
    ] or [("none", "", "", "")]
    first, *others = lines
    return [(*head, *first, total), *(("", "", "", "", *each, "") for each in others)]


@click.command(cls=Command)
@_filters(
    ("namespace", "Only of Secrets in this namespace."),
    ("state", "Only of this state, such as expired or expires_soon."),
)
def certs(where: Where, *, output: str, **wanted: str | None) -> None:
    """Certificates: for which hosts, from which Secret, and for how long."""
    document = _document(where, "certificates", wanted)
    if output == "json":
        show_json(document)
        return
    columns = ("STATE", "SECRET", "HOSTS", "DAYS LEFT", "NOT AFTER", "ISSUER", "PROBLEM")
    rows = (
        (
            row["state"],
            name_of(row["secret"]) if row["secret"] else "(default certificate)",
            ", ".join(row["hosts"]) or "*",
            row["days_left"],
            row["not_after"],
            row["issuer"],
            row["problem"] or ", ".join(row["findings"]),
        )
        for row in document["items"]
    )
    show_table(columns, rows, "no spec.tls names a Secret")
