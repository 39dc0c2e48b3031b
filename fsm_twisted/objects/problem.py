"""What is wrong with an object: where, why, and under which code of the registry."""

from __future__ import annotations

from typing import Final

import attrs

# Codes of `snapshot.reasons.FINDINGS`; plain text, because neighbours do not import each other.
OBJECT_INVALID: Final = "object_invalid"
PATH_INVALID: Final = "path_invalid"
HOST_INVALID: Final = "host_invalid"


@attrs.frozen
class Problem:
    """
    One thing that cannot be used.

    ``path`` is the JSON path inside the object (``spec.rules[0].host``), empty for the whole of
    it. ``message`` says what is wrong and how to mend it, and never holds a value of a Secret.
    """

    path: str
    message: str
    reason: str = OBJECT_INVALID


class Unusable(Exception):
    """A part cannot be used; whoever reads the part around it decides what is left out."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.path, problem.message)
        self.problem = problem
