"""All that the control road knows at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final, TypeVar

import attrs

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.standing import Standing
from fsm_twisted.control.controller import Controller, Outcome
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.reasons import Severity

Json = dict[str, Any]
Made = TypeVar("Made")

API_VERSION: Final = 1
"""The ``version`` of every answer: another one says that a member has gone or changed."""


@attrs.frozen
class World:
    """
    What was compiled last, who has got what, and when it is looked at (aware).

    True until the next compilation: whoever needs more than one turn keeps what it has made of it.
    ``kept`` is what has been made of the same compilation before, see `once_a_compilation`.
    """

    outcome: Outcome
    standing: Standing
    options: CompilerOptions
    now: datetime
    kept: dict[object, Any] = attrs.field(factory=dict, eq=False, repr=False)

    @classmethod
    def of(
        cls,
        controller: Controller,
        options: CompilerOptions,
        now: datetime,
        before: World | None = None,
    ) -> World | None:
        """Look at *controller*, as *before*; None before its first compilation."""
        outcome = controller.outcome
        if outcome is None:
            return None
        if before is not None and before.outcome is outcome:
            return attrs.evolve(before, now=now)
        return cls(outcome, controller.standing, options, now)

    @property
    def of_source(self) -> tuple[Finding, ...]:
        """Return the findings of the source: objects and files that cannot be read."""
        return self.outcome.findings[: len(self.outcome.contents.problems)]

    def origin_of(self, index: int) -> str:
        """Return ``file:line`` of the finding at *index*, empty for an object of a cluster."""
        contents = self.outcome.contents
        if index < len(contents.problems):
            return contents.problems[index].where
        return contents.origins.get(self.outcome.findings[index].object, "")


def once_a_compilation(make: Callable[[World], Made]) -> Callable[[World], Made]:
    """
    Have *make* work once for each compilation; nobody may change what it has made.

    It may not look at the time. Who reads a page again and again costs no more than that.
    """

    @wraps(make)
    def of(world: World) -> Made:
        kept = world.kept
        if make not in kept:
            kept[make] = make(world)
        made: Made = kept[make]
        return made

    return of


@once_a_compilation
def compiled_by_object(world: World) -> Mapping[ObjectRef, tuple[Finding, ...]]:
    """Return the findings of the compiler by object."""
    return _by_object(world.outcome.compiled.findings)


@once_a_compilation
def of_source_by_object(world: World) -> Mapping[ObjectRef, tuple[Finding, ...]]:
    """Return the findings of the source by object."""
    return _by_object(world.of_source)


def _by_object(findings: Iterable[Finding]) -> Mapping[ObjectRef, tuple[Finding, ...]]:
    found: dict[ObjectRef, list[Finding]] = {}
    for each in findings:
        found.setdefault(each.object, []).append(each)
    return {ref: tuple(own) for ref, own in found.items()}


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
