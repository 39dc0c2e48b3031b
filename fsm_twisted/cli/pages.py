"""Lists that come page by page, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.admin.query import MOST_ROWS

Parameters = Sequence[tuple[str, str]]


def whole(ask: Callable[[Parameters], Json], parameters: Parameters) -> Json:
    """Return the whole list that *ask* answers to *parameters* with at most `MOST_ROWS` of."""
    limit = ("limit", str(MOST_ROWS))
    answer = ask([*parameters, limit])
    while len(answer["items"]) < answer["total"]:
        page = ask([*parameters, limit, ("offset", str(len(answer["items"])))])
        if not page["items"]:
            break
        answer["items"] += page["items"]
    return answer
