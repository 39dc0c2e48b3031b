"""
The rewrite of a path, as a value that is valid by construction (D5, D8).

The pattern is RE2: one search takes linear time whatever a user writes. Size limits keep the
factor of that line small, because pattern and template are written by one tenant and run in the
process of all. `routing.rewrite` applies the rewrite.
"""

from __future__ import annotations

import re
from typing import Final, Protocol, Self

import attrs
import re2

_TEMPLATE: Final = re.compile(r"[\x21-\x7e]*")
_PROGRAM_LIMIT: Final = 1000
_TEMPLATE_LIMIT: Final = 1000


class RewriteError(ValueError):
    """A rewrite pair that cannot be used; the text names the annotation and the fault."""


class Found(Protocol):
    """One match of a pattern."""

    def span(self) -> tuple[int, int]:
        """Return where the match begins and ends."""

    def __getitem__(self, group: int, /) -> bytes | None:
        """Return the text of *group* (0: the whole match), None when it took no part."""


class Pattern(Protocol):
    """A compiled RE2 pattern, as far as we use it."""

    @property
    def groups(self) -> int:
        """How many capturing groups it has."""

    @property
    def programsize(self) -> int:
        """How many instructions RE2 runs at most for one byte of the text."""

    def search(self, text: bytes, at: int, /) -> Found | None:
        """Return the first match that begins at *at* or later; ``^`` stays the text's begin."""


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
            RewriteError: RE2 refuses the pattern, its program has more than 1000 instructions,
                or the template is longer than 1000 characters or holds ``?``, ``#``, a space or
                a byte outside 0x21-0x7e.
        """
        if compile_pattern(pattern).programsize > _PROGRAM_LIMIT:
            msg = "rewrite-target-from is too complex: use smaller {n,m} repetitions"
            raise RewriteError(msg)
        if not _TEMPLATE.fullmatch(template) or "?" in template or "#" in template:
            msg = "rewrite-target-to may hold only visible ASCII characters without '?' and '#'"
            raise RewriteError(msg)
        if len(template) > _TEMPLATE_LIMIT:
            msg = f"rewrite-target-to may have {_TEMPLATE_LIMIT} characters at most"
            raise RewriteError(msg)
        return cls(pattern, template)


def compile_pattern(pattern: str) -> Pattern:
    """
    Compile *pattern* with the options that every rewrite has; it lives as long as it is held.

    Raises:
        RewriteError: RE2 refuses it.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled: Pattern = re2.compile(pattern.encode(), options)
    except UnicodeEncodeError:
        msg = "rewrite-target-from has a character that is no Unicode text"
        raise RewriteError(msg) from None
    except re2.error as error:
        msg = f"rewrite-target-from is not a regular expression of RE2: {_text(error)}"
        raise RewriteError(msg) from None
    # re2 keeps the last 128 in a cache of its own, each with up to `max_mem` of states that
    # searches have left in it: memory of patterns that no snapshot has any more.
    re2.purge()
    return compiled


def _text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
