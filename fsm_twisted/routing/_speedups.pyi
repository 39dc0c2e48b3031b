"""The compiled half of `router`; docs/performance.md: how it is built."""

from collections.abc import Callable
from typing import Any

def match_method(router: type, table: type, reference: Callable[..., Any], /) -> Any: ...
