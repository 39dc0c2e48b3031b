"""The X-Request-ID of requests that have none that can be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

# The last two digits are most of what differs: to write a number for each costs three times more.
_LAST: Final = tuple(b"%02x" % number for number in range(0x100))
_NUMBERS: Final = 1 << 56


def request_ids(process: bytes, number: int) -> Callable[[], bytes]:
    """
    Return a source of request ids: unique, 32 hexadecimal digits.

    Args:
        process: 16 hexadecimal digits that no other process has.
        number: Where to begin, below 2**56. Together nobody can guess them.
    """
    return _ids(process, number).__next__


def _ids(process: bytes, number: int) -> Iterator[bytes]:
    while True:
        begin = b"%b%014x" % (process, number)
        for last in _LAST:
            yield begin + last
        number = (number + 1) % _NUMBERS
