"""Findings: what is broken, the worst first, each with its remedy."""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.admin.documents.world import Json, World, once_a_compilation, ref_json
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.snapshot.reasons import Severity

_NUMBER: Final = re.compile("([0-9]{1,9})")


@once_a_compilation
def finding_rows(world: World) -> list[Json]:
    """Return all findings: errors before warnings, then by object and code."""
    rows = [
        finding_json(finding, world.origin_of(index))
        for index, finding in enumerate(world.outcome.findings)
    ]
    return sorted(rows, key=_place)


def finding_json(finding: Finding, origin: str = "") -> Json:
    """Tell one finding; *origin* is ``file:line``, empty for an object of a cluster."""
    reason = finding.reason
    return {
        "code": reason.code,
        "severity": reason.severity.value,
        "object": ref_json(finding.object),
        "origin": origin,
        "places": list(finding.places),
        "message": finding.message,
        "consequence": finding.consequence,
        "remedy": finding.remedy,
        "meaning": reason.meaning,
        "event": reason.event,
    }


def _place(row: Json) -> tuple[object, ...]:
    about = row["object"]
    is_mild = row["severity"] != Severity.ERROR.value
    # Line 9 of a file comes before its line 12, and rules[9] before rules[10].
    parts = enumerate(_NUMBER.split(row["message"]))
    message = [int(part) if at % 2 else part for at, part in parts]
    return (is_mild, about["kind"], about["namespace"], about["name"], row["code"], message)
