"""Findings: what the compiler must tell a person about one object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.reasons import FINDINGS, FindingReason

_MOST_OF_ONE_KIND: Final = 10
"""Findings that one object may have with one code; what is beyond is counted in the last."""

_LONGEST_TEXT: Final = 600


@attrs.frozen
class Finding:
    """
    One problem of one object.

    ``message`` says where and what, ``consequence`` what was done instead, ``remedy`` how a
    person mends it. None of them ever holds a value of a Secret. ``places`` are all the fields
    at fault, such as ``spec.rules[0].host``; none for the object as a whole.
    """

    object: ObjectRef
    reason: FindingReason
    message: str
    consequence: str
    remedy: str
    places: tuple[str, ...] = ()


@attrs.frozen
class _Fault:
    """What findings of several places share; they become one finding."""

    object: ObjectRef
    code: str
    what: str
    consequence: str
    remedy: str


class FindingBook:
    """
    Collects the findings of one compilation.

    The same fault at several places of an object becomes one finding that names the first place
    and counts the others, and an object has a bounded number of findings: an Ingress with a
    thousand paths to a Service that is not there gets one.
    """

    def __init__(self) -> None:
        self._places: dict[_Fault, list[str]] = {}
        self._faults: dict[tuple[ObjectRef, str], list[_Fault]] = {}
        self._beyond: dict[tuple[ObjectRef, str], int] = {}

    def note(
        self,
        about: ObjectRef,
        code: str,
        where: str,
        what: str,
        consequence: str,
        remedy: str = "",
    ) -> None:
        """
        Write down that *about* has a fault.

        Args:
            about: The object that a person has to mend.
            code: A key of `snapshot.reasons.FINDINGS`.
            where: The field, e.g. ``spec.rules[0].host``; empty for the whole object.
            what: The fault, the same text for all places that share it.
            consequence: What is done instead.
            remedy: How to mend it; empty for the remedy of the code.
        """
        remedy = remedy or FINDINGS[code].remedy
        fault = _Fault(about, code, _one_line(what), consequence, remedy)
        if (places := self._places.get(fault)) is not None:
            places.append(where)
            return
        kind = (about, code)
        faults = self._faults.setdefault(kind, [])
        if len(faults) == _MOST_OF_ONE_KIND:
            self._beyond[kind] = self._beyond.get(kind, 0) + 1
            return
        faults.append(fault)
        self._places[fault] = [where]

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings, ordered by object, code and message."""
        found = [
            self._finding(fault, self._beyond.get(kind, 0) if last else 0)
            for kind, faults in self._faults.items()
            for fault, last in _marking_last(faults)
        ]
        return in_order(found)

    def _finding(self, fault: _Fault, beyond: int) -> Finding:
        places = self._places[fault]
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        where = f"{places[0]}{more}: " if places[0] else ""
        rest = f" (and {beyond} more faults of this kind in this object)" if beyond else ""
        return Finding(
            fault.object,
            FINDINGS[fault.code],
            f"{where}{fault.what}{rest}",
            fault.consequence,
            fault.remedy,
            tuple(filter(None, places)),
        )


def _one_line(text: str) -> str:
    """Return *text* fit for a log line or an Event, whatever a user's value put into it."""
    cut = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)


def _marking_last(faults: list[_Fault]) -> list[tuple[_Fault, bool]]:
    return [(fault, index == len(faults) - 1) for index, fault in enumerate(faults)]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return *findings* ordered by object, code and message."""
    return tuple(sorted(findings, key=place_of))


Place = tuple[str, str, str, str, str, str, str]


def place_of(finding: Finding) -> Place:
    """Return what findings are ordered by: different ones have different places."""
    about = finding.object
    return (
        about.kind,
        about.namespace,
        about.name,
        finding.reason.code,
        finding.message,
        finding.consequence,
        finding.remedy,
    )
