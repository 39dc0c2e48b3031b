"""``lint``: what is wrong with manifests, or with what a cluster holds."""

from __future__ import annotations

import sys
from typing import Any

import click

from fsm_twisted.admin.documents.findings import finding_rows
from fsm_twisted.admin.documents.world import Json, World, versioned
from fsm_twisted.cli.cluster import read_cluster
from fsm_twisted.cli.errors import FOUND
from fsm_twisted.cli.explaining import show_finding
from fsm_twisted.cli.offline import has_no_slices, read_world
from fsm_twisted.cli.options import compiler_options, recursive_option, take_compiler_options
from fsm_twisted.cli.sarif import sarif
from fsm_twisted.cli.switches import Command
from fsm_twisted.cli.text import say, show_json
from fsm_twisted.snapshot.reasons import FINDINGS
from fsm_twisted.sources.choose import SourceOptions


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[FILES OR FOLDERS]")
@click.option("--cluster", is_flag=True, help="Look at a cluster instead.")
@click.option("--kubeconfig", type=click.Path(), help="Of the cluster; else as kubectl.")
@click.option("--context", help="Of the kubeconfig.")
@click.option("--namespace", "-n", multiple=True, help="Of the cluster; else all. Repeatable.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to write it; sarif: 2.1.0.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="warning",
    show_default=True,
    help="End with 1 when there are findings of this severity, or a worse one.",
)
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice(sorted(FINDINGS)),
    metavar="CODE",
    help="Leave findings of this code out. Repeatable.",
)
@recursive_option
@compiler_options
def lint(paths: tuple[str, ...], *, cluster: bool, recursive: bool, **values: Any) -> None:
    """
    What is wrong with these manifests, and how is it mended?

    The compiler of the program reads them, so what is said here is what would happen; - is
    standard input. Ends with 1 when there is something to mend.
    """
    options = take_compiler_options(values)
    if bool(paths) == cluster:
        raise click.UsageError("lint takes files or folders, or --cluster")
    if cluster:
        origin = SourceOptions(
            (), values["kubeconfig"], values["context"], tuple(values["namespace"])
        )
        world = read_cluster(origin, options)
    else:
        world = read_world(paths, options, is_recursive=recursive)
    ignored = set(values["ignore"])
    # A cluster makes EndpointSlices; whoever keeps manifests in Git does not.
    is_lenient = not cluster and has_no_slices(world)
    if is_lenient:
        ignored.add("no_endpoints")
    findings = [each for each in finding_rows(world) if each["code"] not in ignored]
    _show(findings, world, values["output"], is_lenient=is_lenient)
    if any(_counts(each, values["fail_on"]) for each in findings):
        sys.exit(FOUND)


def _counts(finding: Json, fail_on: str) -> bool:
    # There are two severities.
    return fail_on == "warning" or finding["severity"] == fail_on


def _show(findings: list[Json], world: World, output: str, *, is_lenient: bool) -> None:
    errors = sum(each["severity"] == "error" for each in findings)
    if output == "sarif":
        show_json(sarif(findings))
        return
    objects = sum(1 for _ in world.outcome.contents.inventory.objects())
    summary = {
        "objects": objects,
        "ingresses": len(world.outcome.compiled.ours),
        "errors": errors,
        "warnings": len(findings) - errors,
        "endpoints_are_judged": not is_lenient,
    }
    if output == "json":
        show_json(versioned("Lint", {"summary": summary, "items": findings}))
        return
    for each in findings:
        show_finding(each)
    note = "; endpoints are not judged: there are no EndpointSlices" if is_lenient else ""
    say(
        f"{_number(objects, 'object')}, {_number(len(world.outcome.compiled.ours), 'Ingress')} "
        f"of ours: {_number(errors, 'error')}, {_number(len(findings) - errors, 'warning')}{note}"
    )


def _number(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    return f"{count} {what}{'es' if what.endswith('s') else 's'}"
