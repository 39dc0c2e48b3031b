"""
YAML into JSON-like values, from libyaml's events.

Built on events instead of PyYAML's constructors, because that gives what manifests need at
once: the line of every object, a bound on what aliases repeat, a bound on nesting without
recursion, and scalars as kubectl understands them (timestamps stay text). Keys are always the
text that is written, so that ``on:`` and ``8080:`` are names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs
import yaml

from fsm_twisted.sources.manifests.documents import (
    NESTING_LIMIT,
    Document,
    FileFault,
    flatten,
)

# What aliases may add to a document, in nodes. Anchors in real manifests repeat a few labels.
ALIAS_LIMIT: Final = 100_000

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_BASED: Final = re.compile(r"0x[0-9a-fA-F]{1,16}|0o?[0-7]{1,21}|0b[01]{1,64}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS: Final = frozenset("-+.0123456789")

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({None, "!", f"{_TAG}str"})
_PLAIN_TAGS: Final = frozenset(f"{_TAG}{name}" for name in ("int", "float", "bool", "null"))
_LIST_TAGS: Final = frozenset({None, "!", f"{_TAG}seq"})
_MAPPING_TAGS: Final = frozenset({None, "!", f"{_TAG}map"})


def load_yaml(text: str) -> Iterator[Document]:
    """
    Yield the documents of a YAML file; empty ones are passed over.

    Raises:
        FileFault: The file is not YAML, or uses what no manifest needs.
    """
    try:
        yield from _documents(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "cannot be parsed"
        raise FileFault(f"is no YAML: {what}", mark.line + 1 if mark else 0) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileFault("is no YAML: it has a control character", line) from None


def _documents(text: str) -> Iterator[Document]:
    builder = _Builder()
    for event in yaml.parse(text, Loader=_Loader):
        match event:
            case yaml.ScalarEvent():
                builder.scalar(event)
            case yaml.MappingStartEvent():
                builder.open({}, _MAPPING_TAGS, event)
            case yaml.SequenceStartEvent():
                builder.open([], _LIST_TAGS, event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                builder.close()
            case yaml.AliasEvent():
                builder.alias(event)
            case yaml.DocumentEndEvent():
                yield from builder.finish()
                builder = _Builder()


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@attrs.define
class _Frame:
    """A list or mapping that is not complete yet, or the document itself."""

    container: dict[str, object] | list[object]
    line: int = 0
    anchor: str | None = None
    nodes_before: int = 0
    key: str | None = None
    merged: list[object] = attrs.field(factory=list)


@attrs.frozen
class _Anchor:
    """What an alias stands for, and how many nodes that is."""

    value: object
    nodes: int


class _Builder:
    """Builds one document."""

    def __init__(self) -> None:
        self._root = _Frame([])
        self._stack = [self._root]
        self._anchors: dict[str, _Anchor | None] = {}
        self._lines: dict[int, int] = {}
        self._nodes = 0
        self._repeated = 0

    def finish(self) -> Iterator[Document]:
        """Yield the objects of the document, which is complete."""
        (value,) = self._root.container
        if value is not None:
            yield from flatten(self._root.line, value, self._lines)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        """Add a scalar: a key, an item or a value."""
        line = _line(event)
        self._nodes += 1
        frame = self._stack[-1]
        if isinstance(frame.container, dict) and frame.key is None:
            value: object = event.value
        else:
            value = _resolved(event, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(value, 1)
        self._add(value, line)

    def open(
        self,
        container: dict[str, object] | list[object],
        tags: frozenset[str | None],
        event: yaml.CollectionStartEvent,
    ) -> None:
        """Begin a list or mapping."""
        line = _line(event)
        if event.tag not in tags:
            raise _tag_fault(line)
        if len(self._stack) > NESTING_LIMIT:
            raise FileFault(f"is nested deeper than {NESTING_LIMIT} levels", line)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(container, line, event.anchor, self._nodes))
        self._nodes += 1

    def close(self) -> None:
        """End the innermost list or mapping."""
        frame = self._stack.pop()
        container = frame.container
        if isinstance(container, dict):
            _merge(container, frame)
            if "metadata" in container:
                self._lines[id(container)] = frame.line
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchor(container, self._nodes - frame.nodes_before)
        self._add(container, frame.line)

    def alias(self, event: yaml.AliasEvent) -> None:
        """Add what an anchor stands for; the value is shared, the nodes are counted again."""
        line = _line(event)
        if event.anchor not in self._anchors:
            raise FileFault("uses an alias before its anchor", line)
        anchor = self._anchors[event.anchor]
        if anchor is None:
            raise FileFault("uses an alias inside its own anchor", line)
        self._nodes += anchor.nodes
        self._repeated += anchor.nodes
        if self._repeated > ALIAS_LIMIT:
            raise FileFault(f"repeats more than {ALIAS_LIMIT} nodes by aliases", line)
        self._add(anchor.value, line)

    def _add(self, value: object, line: int) -> None:
        frame = self._stack[-1]
        container = frame.container
        if isinstance(container, list):
            container.append(value)
            frame.line = frame.line or line
        elif frame.key is None:
            frame.key = _key(container, value, line)
        elif frame.key == "<<":
            frame.merged.append(value)
            frame.key = None
        else:
            container[frame.key] = value
            frame.key = None


def _key(container: dict[str, object], value: object, line: int) -> str:
    if not isinstance(value, str):
        raise FileFault("has a key that is not a plain name", line)
    if value in container:
        raise FileFault(f"has the key {value[:60]!a} twice in one object", line)
    return value


def _merge(container: dict[str, object], frame: _Frame) -> None:
    """Fill in what ``<<`` brings; the object's own keys win, then the earlier ones."""
    for merged in frame.merged:
        for each in merged if isinstance(merged, list) else [merged]:
            if not isinstance(each, dict):
                raise FileFault("merges (<<) something that is no mapping", frame.line)
            for key, value in each.items():
                container.setdefault(key, value)


def _resolved(event: yaml.ScalarEvent, line: int) -> object:
    if event.implicit[0] or event.tag in _PLAIN_TAGS:
        return plain_scalar(event.value)
    if event.tag in _TEXT_TAGS:
        return event.value
    raise _tag_fault(line)


def _tag_fault(line: int) -> FileFault:
    return FileFault("has a tag (!...) that manifests do not have", line)


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return what a scalar without quotes means: YAML 1.1 as kubectl reads it."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text if text[1] in "xob" else f"0o{text[1:]}", 0)
    return float(text) if _FLOAT.fullmatch(text) else text
