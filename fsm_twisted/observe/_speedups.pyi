"""The compiled half of `cells`; docs/performance.md: how it is built."""

from collections.abc import Callable, Mapping
from typing import Any

def observe_method(
    cells: type,
    requests: Mapping[tuple[bytes, int], int],
    bounds: tuple[float, ...],
    first_bucket: int,
    reference: Callable[..., None],
    /,
) -> Any: ...
