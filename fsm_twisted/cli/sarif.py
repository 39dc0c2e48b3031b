"""Findings as SARIF 2.1.0 (OASIS), as code hosts show them beside the lines of a change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fsm_twisted._version import __version__
from fsm_twisted.admin.documents.world import Json
from fsm_twisted.snapshot.reasons import FINDINGS, FindingReason

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES: Final = tuple(FINDINGS.values())
_INDEX: Final = {reason.code: index for index, reason in enumerate(_RULES)}


def sarif(findings: Iterable[Json]) -> Json:
    """Write findings as a log with one run; every code of the registry is a rule."""
    driver = {
        "name": "fsm-ingress",
        "version": __version__,
        "rules": [_rule(reason) for reason in _RULES],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(each) for each in findings],
            }
        ],
    }


def _rule(reason: FindingReason) -> Json:
    return {
        "id": reason.code,
        "name": reason.event,
        "shortDescription": {"text": reason.meaning},
        "help": {"text": reason.remedy},
        "defaultConfiguration": {"level": reason.severity.value},
    }


def _result(finding: Json) -> Json:
    about = finding["object"]
    name = "/".join(filter(None, (about["kind"], about["namespace"], about["name"])))
    text = f"{about['kind']} {about['name']}: {finding['message']}"
    text += f"; {finding['consequence']}; to mend it: {finding['remedy']}"
    location: Json = {"logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}]}
    uri, line = _place(finding["origin"])
    if uri:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": line},
        }
    mark = "\0".join((name, finding["code"], finding["message"]))
    return {
        "ruleId": finding["code"],
        "ruleIndex": _INDEX[finding["code"]],
        "level": finding["severity"],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"finding/v1": hashlib.sha256(mark.encode()).hexdigest()},
    }


def _place(origin: str) -> tuple[str, int]:
    """Take ``file:line`` apart: a URI, relative to where the command runs if it is below that."""
    file, _, line = origin.rpartition(":")
    if not file or not line.isdecimal():
        file, line = origin, "1"
    if os.path.isabs(file):
        relative = os.path.relpath(file)
        if relative.startswith(".."):
            return Path(file).as_uri(), max(int(line), 1)
        file = relative
    return quote(file), max(int(line), 1)
