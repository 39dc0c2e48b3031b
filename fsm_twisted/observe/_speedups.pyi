"""The compiled half of `cells` and `access_lines`; docs/performance.md: how it is built."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fsm_twisted.observe.access import Noted

def observe_method(
    cells: type,
    requests: Mapping[tuple[bytes, int], int],
    bounds: tuple[float, ...],
    first_bucket: int,
    reference: Callable[..., None],
    /,
) -> Any: ...
def json_lines_function(
    reference: Callable[[float, Noted], str],
    way: Callable[[bytes, bytes], str],
    endpoints: Callable[[bytes], str],
    connection: Callable[[bytes], str],
    protocols: Mapping[int, str],
    /,
) -> Callable[[float, Sequence[Noted]], bytes]: ...
