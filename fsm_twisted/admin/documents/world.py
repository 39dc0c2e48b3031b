"""All that the control road knows at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

import attrs

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.standing import Standing
from fsm_twisted.control.controller import Controller, Outcome
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.reasons import Severity

Json = dict[str, Any]

API_VERSION: Final = 1
"""The ``version`` of every answer: another one says that a member has gone or changed."""


@attrs.frozen(slots=False)
class World:
    """
    What was compiled last, who has got what, and when it is looked at (aware).

    True until the next compilation: whoever needs more than one turn keeps what it has made of it.
    """

    outcome: Outcome
    standing: Standing
    options: CompilerOptions
    now: datetime

    @classmethod
    def of(cls, controller: Controller, options: CompilerOptions, now: datetime) -> World | None:
        """Look at *controller*; None before its first compilation."""
        outcome = controller.outcome
        return None if outcome is None else cls(outcome, controller.standing, options, now)

    @property
    def of_source(self) -> tuple[Finding, ...]:
        """Return the findings of the source: objects and files that cannot be read."""
        return self.outcome.findings[: len(self.outcome.contents.problems)]

    @cached_property
    def compiled_by_object(self) -> Mapping[ObjectRef, tuple[Finding, ...]]:
        """Return the findings of the compiler by object."""
        found: dict[ObjectRef, list[Finding]] = {}
        for each in self.outcome.compiled.findings:
            found.setdefault(each.object, []).append(each)
        return {ref: tuple(findings) for ref, findings in found.items()}

    def origin_of(self, index: int) -> str:
        """Return ``file:line`` of the finding at *index*, empty for an object of a cluster."""
        contents = self.outcome.contents
        if index < len(contents.problems):
            return contents.problems[index].where
        return contents.origins.get(self.outcome.findings[index].object, "")


def versioned(kind: str, members: Json) -> Json:
    """Return a whole answer."""
    return {"version": API_VERSION, "kind": kind, **members}


def ref_json(ref: ObjectRef) -> Json:
    """Tell which object."""
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def time_text(moment: datetime) -> str:
    """Write an aware time: UTC, seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def codes_of(findings: Iterable[Finding]) -> list[str]:
    """Return the codes of *findings*, errors first, each once."""
    ordered = sorted(findings, key=lambda each: each.reason.severity is not Severity.ERROR)
    return list(dict.fromkeys(each.reason.code for each in ordered))
