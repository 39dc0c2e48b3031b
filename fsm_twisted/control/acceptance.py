"""Which of our Ingresses are served as they are, and since when that is news. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.snapshot.reasons import Severity


def faulty(findings: Iterable[Finding]) -> frozenset[ObjectRef]:
    """Return the objects of which something that they ask for is left out."""
    return frozenset(each.object for each in findings if each.reason.severity is Severity.ERROR)


class Acceptance:
    """
    Knows our Ingresses and those at fault.

    Of thousands, most are the very objects of before: they are told apart by identity.
    """

    def __init__(self) -> None:
        self._ours: dict[int, Ingress] = {}
        self._at_fault: frozenset[ObjectRef] = frozenset()

    def take(
        self, ours: tuple[Ingress, ...], at_fault: frozenset[ObjectRef]
    ) -> tuple[list[Ingress], frozenset[ObjectRef]]:
        """
        Learn what is so now.

        Returns:
            The accepted ones that were not so before, or were other ones; and those that are
            accepted no longer.
        """
        before, self._ours = self._ours, {id(each): each for each in ours}
        mended, self._at_fault = self._at_fault - at_fault, at_fault
        came = {ref_of(each): each for key, each in self._ours.items() if key not in before}
        gone = {ref_of(each) for key, each in before.items() if key not in self._ours}
        news = dict(came)
        if mended:
            news |= {ref: each for each in ours if (ref := ref_of(each)) in mended}
        due = [each for ref, each in news.items() if ref not in at_fault]
        return due, frozenset(gone - came.keys()) | at_fault

    def is_current(self, ingress: Ingress) -> bool:
        """Return whether *ingress* is still accepted, as it is."""
        return id(ingress) in self._ours and ref_of(ingress) not in self._at_fault
