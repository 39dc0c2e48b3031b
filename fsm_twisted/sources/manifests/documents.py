"""
From the bytes of a manifest file to its documents, each with the line where it begins.

Nothing here is worse than linear in the bytes of the file: the size is capped, aliases may
repeat only so much, nesting is bounded, and no tag makes anything but strings, numbers,
booleans, null, lists and mappings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

LIMIT_BYTES: Final = 16 * 1024 * 1024
NESTING_LIMIT: Final = 100


@attrs.frozen
class Document:
    """
    One object of a file, not decoded yet.

    ``line`` counts from 1; ``step`` is where the object stands inside a ``List``
    (``items[3]``), empty outside of one.
    """

    line: int
    value: object
    step: str = ""


class FileFault(Exception):
    """The file cannot be used as a whole; ``line`` counts from 1, 0 when none is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message, line)
        self.message = message
        self.line = line


def to_text(data: bytes) -> str:
    """
    Decode the bytes of a file.

    Raises:
        FileFault: They are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileFault("is not UTF-8: save the file as UTF-8", line) from None


def flatten(line: int, value: object, lines: Mapping[int, int]) -> Iterator[Document]:
    """
    Yield *value*, or the items of a ``List`` (and ``IngressList``...), as often as nested.

    Args:
        line: Where *value* begins.
        value: The document.
        lines: Where inner mappings begin, by ``id``, as far as known.

    Raises:
        FileFault: The ``items`` of a ``List`` are no list.
    """
    pending = [Document(line, value)]
    while pending:
        each = pending.pop()
        items = _items(each)
        if items is None:
            yield each
            continue
        dot = "." if each.step else ""
        inner = [
            Document(lines.get(id(item), each.line), item, f"{each.step}{dot}items[{index}]")
            for index, item in enumerate(items)
        ]
        pending += reversed(inner)


def _items(document: Document) -> list[object] | None:
    """Return the items of a list kind, `None` for any other document."""
    value = document.value
    if not isinstance(value, dict) or "items" not in value:
        return None
    kind = value.get("kind")
    if not isinstance(kind, str) or not kind.endswith("List"):
        return None
    items = value["items"] if value["items"] is not None else []
    if not isinstance(items, list):
        raise FileFault(f"the items of a {kind[:60]!a} are no list", document.line)
    item_kind = kind.removesuffix("List")
    if not item_kind:
        return items
    identity = {"apiVersion": value.get("apiVersion"), "kind": item_kind}
    for item in items:
        if isinstance(item, dict):  # a typed list names its kind once, for all items
            for key, text in identity.items():
                item.setdefault(key, text)
    return items
