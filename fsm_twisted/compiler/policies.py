"""What the annotations of one Ingress say, as policy values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar

import attrs

from fsm_twisted.compiler.annotations import (
    ANNOTATIONS,
    BODY_SIZE,
    CONNECT_TIMEOUT,
    ENABLE_ACCESS_LOG,
    HASH_BY,
    LATER,
    LB_TYPE,
    READ_TIMEOUT,
    REWRITE_FROM,
    REWRITE_TO,
    SEND_TIMEOUT,
    SESSION_STICKY,
    Annotation,
    Asked,
    LaterAnnotation,
)
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.values import ValueFault, nearest
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.objects.names import shown
from fsm_twisted.snapshot.policy import Balancing, Timeouts
from fsm_twisted.snapshot.rewrite import Rewrite, RewriteError

T = TypeVar("T")

_LATER: Final = {each.name: each for each in LATER}
_NAMES: Final = (*(each.name for each in ANNOTATIONS), *_LATER)
_SENT_AS_IS: Final = "the path is forwarded as sent"
_REFUSED: Final = "all paths of the Ingress answer 503 (unprotected)"


@attrs.frozen
class Policy:
    """
    The policies of one Ingress; they apply to all its paths (D8).

    ``is_refused``: the Ingress asks for a protection that cannot be given, so it is not served.
    """

    balancing: Balancing = Balancing()
    timeouts: Timeouts = Timeouts()
    rewrite: Rewrite | None = None
    body_limit_bytes: int | None = None
    is_refused: bool = False
    is_logged: bool = True


_PLAIN: Final = Policy()


def read_policy(ingress: Ingress, prefix: str, book: FindingBook) -> Policy:
    """Read all annotations of *ingress* that begin with *prefix*; faults go to *book*."""
    values = {
        key.removeprefix(prefix): value
        for key, value in sorted(ingress.metadata.annotations.items())
        if key.startswith(prefix)
    }
    if not values:
        return _PLAIN
    reader = _Reader(values, prefix, ref_of(ingress), book)
    return Policy(
        Balancing(reader.value(LB_TYPE), reader.value(HASH_BY), reader.value(SESSION_STICKY)),
        Timeouts(
            reader.value(CONNECT_TIMEOUT), reader.value(READ_TIMEOUT), reader.value(SEND_TIMEOUT)
        ),
        reader.rewrite(),
        reader.value(BODY_SIZE),
        reader.is_refused(),
        reader.value(ENABLE_ACCESS_LOG),
    )


class _Reader:
    """Reads the annotations of one Ingress and notes what is wrong with them."""

    def __init__(
        self, values: Mapping[str, str], prefix: str, about: ObjectRef, book: FindingBook
    ) -> None:
        self._values = values
        self._prefix = prefix
        self._about = about
        self._book = book

    def value(self, annotation: Annotation[T]) -> T:
        """Return the value of *annotation*, or its default when it is absent or faulty."""
        text = self._values.get(annotation.name)
        if text is None:
            return annotation.default
        try:
            return annotation.parse(text)
        except ValueFault as fault:
            self._note(
                "annotation_invalid",
                annotation.name,
                f"{shown(text)} {fault}",
                f"the default holds: {annotation.default_text.replace('`', '')}",
                f"use {annotation.values.replace('`', '')}",
            )
            return annotation.default

    def rewrite(self) -> Rewrite | None:
        """Return the rewrite of the pair; half a pair and a faulty one are findings."""
        pattern, template = self.value(REWRITE_FROM), self.value(REWRITE_TO)
        if not pattern and not template:
            return None
        if not pattern or not template:
            there, missing = (REWRITE_FROM, REWRITE_TO) if pattern else (REWRITE_TO, REWRITE_FROM)
            what = f"it is set, but {self._prefix}{missing.name} is absent or empty"
            self._note("rewrite_incomplete", there.name, what, _SENT_AS_IS)
            return None
        found = _parse_rewrite(pattern, template)
        if isinstance(found, str):
            self._note("rewrite_invalid", "rewrite-target-*", found, _SENT_AS_IS)
            return None
        return found

    def is_refused(self) -> bool:
        """Look at all names that are not read by `value`; say whether protection is asked for."""
        refused = False
        for name, text in self._values.items():
            if name in _LATER:
                refused |= self._is_protection(_LATER[name], text)
            elif name not in _NAMES:
                refused |= self._is_unknown_protection(name)
        return refused

    def _is_protection(self, annotation: LaterAnnotation, text: str) -> bool:
        asked = annotation.asked(text)
        what = f"this version cannot honour it yet ({annotation.effect})"
        if asked is Asked.PROTECTION:
            remedy = "remove the annotation if the Ingress may be served without it"
            self._note("security_unsupported", annotation.name, what, _REFUSED, remedy)
        elif asked is Asked.COMFORT:
            self._note("annotation_unavailable", annotation.name, what, "it has no effect")
        return asked is Asked.PROTECTION

    def _is_unknown_protection(self, name: str) -> bool:
        near = nearest(name, _NAMES)
        meant = f"; did you mean {near}?" if near else ""
        is_security = near in _LATER and _LATER[near].asked("true") is Asked.PROTECTION
        if is_security:
            what = f"there is no such annotation{meant}"
            remedy = "correct the name, or remove the annotation"
            self._note("security_unsupported", name, what, _REFUSED, remedy)
        else:
            what = f"there is no such annotation{meant}"
            self._note("annotation_unknown", name, what, "it has no effect")
        return is_security

    def _note(self, code: str, name: str, what: str, consequence: str, remedy: str = "") -> None:
        where = f"annotation {self._prefix}{name[:100]}"
        self._book.note(self._about, code, where, what, consequence, remedy)


@lru_cache(maxsize=4096)
def _parse_rewrite(pattern: str, template: str) -> Rewrite | str:
    try:
        return Rewrite.parse(pattern, template)
    except RewriteError as error:
        return str(error)
