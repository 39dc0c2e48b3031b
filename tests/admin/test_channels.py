"""
What is broken is told everywhere: same code, same remedy, within a second, at the top.

examples/broken.yaml has four broken Ingresses: a missing Service, a bad rewrite, a bad Secret, a
lost conflict.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.snapshot.reasons import FINDINGS
from fsm_twisted.sources.manifests.once import read_once
from tests.assembly.program import Program, running, until
from tests.cli.running import fsm_ingress
from tests.control.test_events import World as EventWorld

BROKEN = Path(__file__).parents[2] / "examples" / "broken.yaml"


@attrs.frozen
class Fault:
    """One broken Ingress, and a request that meets its fault."""

    ingress: str
    code: str
    url: str

    @property
    def remedy(self) -> str:
        return FINDINGS[self.code].remedy


FAULTS = (
    Fault("shop", "service_missing", "http://shop.example.com/"),
    Fault("rewrite", "rewrite_invalid", "http://rewrite.example.com/old/x"),
    Fault("secure", "secret_invalid", "https://secure.example.com/"),
    Fault("second", "claim_lost", "http://twice.example.com/"),
)
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.code)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Run the program on an empty folder, into which the broken manifests come."""
    folder = tmp_path_factory.mktemp("broken")
    with running(folder, "--workers", "1") as found:
        began = time.monotonic()
        shutil.copy(BROKEN, folder / "manifests" / "broken.yaml")
        until(lambda: told(found, "/api/findings")["total"] == len(FAULTS))
        assert time.monotonic() - began < 5.0  # a second on a machine with time
        yield found


def told(program: Program, path: str) -> Any:
    status, body = program.ask(path)
    assert status == 200, body
    return json.loads(body)


def pairs(rows: Any) -> list[tuple[str, str, str]]:
    return [(row["object"]["name"], row["code"], row["remedy"]) for row in rows]


@each_fault
def test_the_api_has_it_among_its_first_findings(program: Program, fault: Fault) -> None:
    first = told(program, "/api/findings")["items"][: len(FAULTS)]

    assert (fault.ingress, fault.code, fault.remedy) in pairs(first)
    worst = told(program, "/api/overview")["worst"]
    assert (fault.ingress, fault.code, fault.remedy) in pairs(worst)


@each_fault
def test_metrics_have_it(program: Program, fault: Fault) -> None:
    text = program.ask("/metrics")[1].decode()
    families = {each.name: each for each in text_string_to_metric_families(text)}

    found = [each.labels for each in families["fsm_ingress_finding"].samples]
    wanted = {
        "kind": "Ingress", "namespace": "default", "name": fault.ingress, "reason": fault.code,
        "severity": "error", "remedy": fault.remedy,
    }  # fmt: skip
    assert wanted in found
    counted = {e.labels["reason"]: e.value for e in families["fsm_ingress_findings"].samples}
    assert counted[fault.code] == 1


@each_fault
def test_explain_has_it_for_a_request_that_meets_it(program: Program, fault: Fault) -> None:
    found = told(program, f"/api/explain?url={quote(fault.url, safe='')}")
    offline = fsm_ingress("explain", fault.url, "--manifests", str(BROKEN), "-o", "json").json

    for each in (found, offline):
        assert (fault.ingress, fault.code, fault.remedy) in pairs(each["findings"])


@each_fault
def test_lint_has_it_first(fault: Fault) -> None:
    ended = fsm_ingress("lint", str(BROKEN), "-o", "json")

    assert ended.code == 1
    assert (fault.ingress, fault.code, fault.remedy) in pairs(ended.json["items"][: len(FAULTS)])
    text = fsm_ingress("lint", str(BROKEN)).out
    assert f"Ingress default/{fault.ingress}: " in text
    assert f"[{fault.code}]" in text
    assert f"to mend it: {fault.remedy}" in text


@each_fault
def test_an_event_has_it_within_a_second(fault: Fault) -> None:
    controller = Controller(CompilerOptions(), lambda _: None, now=lambda: datetime.now(UTC))
    world = EventWorld()
    controller.observe(world.events.observe)
    controller.contents_changed(read_once([str(BROKEN)]))
    world.run(1.0)

    notes = {
        (each["regarding"]["name"], each["reason"]): each["note"]
        for each in world.server.kept.values()
    }
    note = notes[(fault.ingress, FINDINGS[fault.code].event)]
    assert fault.remedy in note
    world.end()


def test_routes_have_the_broken_ones_first(program: Program) -> None:
    rows = told(program, "/api/routes")["items"]

    states = {row["ingress"]["name"]: row["state"] for row in rows}
    assert states == {
        "shop": "broken", "second": "broken", "rewrite": "degraded", "secure": "degraded",
        "first": "ok",
    }  # fmt: skip
    assert [row["state"] for row in rows] == sorted(
        states.values(), key=["broken", "degraded", "ok"].index
    )
