"""JSON files: one object, or several one after the other, as kubectl takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from fsm_twisted.sources.manifests.documents import Document, FileFault, flatten

_SPACE: Final = re.compile(r"[ \t\r\n]*")


class _Refused(ValueError):
    """JSON that Python reads and the API server does not."""


def load_json(text: str) -> Iterator[Document]:
    """
    Yield the documents of a JSON file.

    Raises:
        FileFault: The file is not JSON.
    """
    line, counted = 1, 0
    position = _skip(text, 0)
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        value, end = _parsed(text, position, line)
        if value is not None:
            yield from flatten(line, value, {})
        position = _skip(text, end)


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _parsed(text: str, position: int, line: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise FileFault(f"is no JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise FileFault("is nested too deeply", line) from None
    except _Refused as error:
        raise FileFault(str(error), line) from None
    except ValueError:  # Python's own bound on the digits of a number
        raise FileFault("has a number with thousands of digits", line) from None


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _Refused(f"has the key {key[:60]!a} twice in one object")
        seen.add(key)
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"is no JSON: {name} is not a value")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_constant)
