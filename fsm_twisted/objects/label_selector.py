"""
The syntax of label selectors (k8s.io/apimachinery/pkg/labels): ``a=b,c!=d,e in (f,g),!h``.

Only the syntax: the API server does the selecting.
"""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.objects.names import shown

_WORD: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PREFIX: Final = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_KEY: Final = rf"(?:{_PREFIX}/)?{_WORD}"
_VALUE: Final = rf"(?:{_WORD})?"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:!\s*{_KEY}"
    rf"|{_KEY}(?:\s*(?:==|!=|=)\s*{_VALUE}"
    rf"|\s+(?:in|notin)\s*\(\s*{_VALUE}\s*(?:,\s*{_VALUE}\s*)*\))?)\s*"
)


def label_selector_fault(text: str) -> str | None:
    """Return what is wrong with a selector, None for a good one; an empty one is none."""
    at = 0
    while True:
        found = _REQUIREMENT.match(text, at)
        end = at if found is None else found.end()
        if found is None or (end < len(text) and text[end] != ","):
            rest = text[at:]
            return f"cannot read {shown(rest)}" if rest.strip() else "a requirement is missing"
        if end == len(text):
            return None
        at = end + 1
