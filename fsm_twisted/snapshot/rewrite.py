"""
The rewrite of a path, as a value that is valid by construction (D5, D8).

The pattern is RE2: linear time whatever a user writes. `routing.rewrite` applies it.
"""

from __future__ import annotations

import re
from typing import Self

import attrs
import re2

_TEMPLATE = re.compile(r"[\x21-\x7e]*")


class RewriteError(ValueError):
    """A rewrite pair that cannot be used; the text names the annotation and the fault."""


@attrs.frozen
class Rewrite:
    """``rewrite-target-from`` (RE2) and ``rewrite-target-to`` (template: ``$1``..``$9 $& $$``)."""

    pattern: str
    template: str

    @classmethod
    def parse(cls, pattern: str, template: str) -> Self:
        """
        Check the pair.

        Raises:
            RewriteError: RE2 refuses the pattern, or the template holds ``?``, ``#``, a space or
                a byte outside 0x21-0x7e.
        """
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 1 << 20
        try:
            re2.compile(pattern.encode(), options)
        except re2.error as error:
            msg = f"rewrite-target-from is not a regular expression of RE2: {_text(error)}"
            raise RewriteError(msg) from None
        if not _TEMPLATE.fullmatch(template) or "?" in template or "#" in template:
            msg = "rewrite-target-to may hold only visible ASCII characters without '?' and '#'"
            raise RewriteError(msg)
        return cls(pattern, template)


def _text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
