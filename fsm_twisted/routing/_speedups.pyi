"""The compiled half of `paths`; docs/performance.md: how it is built."""

from collections.abc import Callable
from typing import Any

def find_method(table: type, reference: Callable[..., Any], /) -> Any: ...
