"""The fields by which an endpoint is chosen: all that the straight road reads of a head."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from fsm_twisted.http1.special import ORDINARY, REQUEST_NAMES
from fsm_twisted.http1.syntax import TOKEN
from fsm_twisted.http1.usual import any_case
from fsm_twisted.message.fields import Fields
from fsm_twisted.snapshot.policy import Affinity, Balancing, HashSource

FindFields = Callable[[bytes], Fields]
"""``find_fields(head)`` gives those fields of a usual head that may have a part in the choice."""

_COOKIE: Final = b"cookie"
_BLANKS: Final = b" \t"


def make_finder(balancing: Balancing) -> FindFields | None:
    """Return the function that finds the fields that *balancing* looks at, None for none."""
    names = sorted(filter(_is_seen, _names(balancing)))
    if not names:
        return None
    line = re.compile(rb"\r\n(%b):([^\r]*+)" % b"|".join(map(any_case, names)))

    def find(head: bytes) -> Fields:
        return tuple([(name, value.strip(_BLANKS)) for name, value in line.findall(head)])

    return find


def _names(balancing: Balancing) -> set[bytes]:
    """Return the names, lower-case."""
    names = set()
    if balancing.affinity is Affinity.COOKIE or balancing.hash_by.source is HashSource.COOKIE:
        names.add(_COOKIE)
    if balancing.hash_by.source is HashSource.HEADER:
        names.add(balancing.hash_by.name.encode("utf-8", "surrogatepass"))
    return names


def _is_seen(name: bytes) -> bool:
    """Tell whether a field of that name is ever among those that an endpoint gets."""
    return TOKEN.fullmatch(name) is not None and REQUEST_NAMES[name] == ORDINARY
