"""
Reading a JSON object field by field, as Go reads it for the API server.

A wrong type raises `Unusable`; ``null`` is the same as an absent field; unknown fields are
passed over. `Fields.parts` is where a bad part is left out and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Self, TypeVar

import attrs

from fsm_twisted.objects.model import NO_STRINGS
from fsm_twisted.objects.names import printable
from fsm_twisted.objects.problem import OBJECT_INVALID, Problem, Unusable

T = TypeVar("T")

_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    tuple: "a list",
    dict: "an object",
    type(None): "null",
}


def type_name(value: object) -> str:
    """Return what *value* is called in JSON."""
    return _TYPE_NAMES.get(type(value), "something else")


@attrs.define
class Fields:
    """
    One JSON object, and where it stands.

    The place is kept as a chain and only spelt out when a problem needs it: most objects have
    none, and lists of EndpointSlices are long.
    """

    data: Mapping[object, object]
    problems: list[Problem]
    _parent: Self | None = None
    _step: str = ""
    _index: int | None = None

    @classmethod
    def of(
        cls,
        value: object,
        problems: list[Problem],
        parent: Self | None = None,
        step: str = "",
        index: int | None = None,
    ) -> Self:
        """
        Wrap *value*.

        Raises:
            Unusable: It is not a JSON object.
        """
        if isinstance(value, Mapping):
            return cls(value, problems, parent, step, index)
        place = cls({}, problems, parent, step, index)
        raise place.fault("", f"must be an object, not {type_name(value)}")

    @property
    def index(self) -> int:
        """Return the place in the list that it stands in, as written; 0 outside of one."""
        return self._index or 0

    def path(self, step: str = "") -> str:
        """Return the JSON path of this object, or of the field *step* in it."""
        steps = [step] if step else []
        place: Fields | None = self
        while place is not None:
            if place._index is not None:
                steps.append(f"{place._step}[{place._index}]")
            elif place._step:
                steps.append(place._step)
            place = place._parent
        path = "".join(each if each[0] == "[" else f".{each}" for each in reversed(steps))
        return printable(path.removeprefix("."))

    def fault(self, step: str, message: str, reason: str = OBJECT_INVALID) -> Unusable:
        """Return the exception that gives this object up because of the field *step*."""
        return Unusable(Problem(self.path(step), message, reason))

    def note(self, step: str, message: str, reason: str = OBJECT_INVALID) -> None:
        """Record a problem that does not give this object up."""
        self.problems.append(Problem(self.path(step), message, reason))

    def has(self, key: str) -> bool:
        """Return whether the field is there and not null."""
        return self.data.get(key) is not None

    def text(self, key: str) -> str:
        """Return a string, ``""`` when absent."""
        value = self.data.get(key)
        if isinstance(value, str):
            return self._valid(key, value)
        if value is None:
            return ""
        raise self.fault(key, f"must be a string, not {type_name(value)}: write it in quotes")

    def required(self, key: str, hint: str) -> str:
        """Return a string that must be there and not empty; *hint* says how to mend it."""
        if value := self.text(key):
            return value
        raise self.fault(key, f"is required: {hint}")

    def checked(self, key: str, fault_of: Callable[[str], str | None]) -> str:
        """Return a string that *fault_of* finds no fault with, ``""`` when absent."""
        value = self.text(key)
        if value and (fault := fault_of(value)):
            raise self.fault(key, fault)
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of *choices*; an absent field is *default*, which may be no choice."""
        value = self.text(key) or default
        if value in choices:
            return value
        raise self.fault(key, f"must be one of {', '.join(choices)}")

    def boolean(self, key: str) -> bool | None:
        """Return a boolean, `None` when absent."""
        value = self.data.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.fault(key, f"must be true or false, not {type_name(value)}")

    def port(self, key: str) -> int | None:
        """Return a port number, `None` when absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if type(value) is not int:
            raise self.fault(key, f"must be a whole number without quotes, not {type_name(value)}")
        if not 1 <= value <= 65535:  # noqa: PLR2004
            raise self.fault(key, "must be between 1 and 65535")
        return value

    def port_or_name(self, key: str) -> int | str | None:
        """Return an ``IntOrString`` port; 0 and ``""`` count as absent, as in Go."""
        value = self.data.get(key)
        if isinstance(value, str):
            return self._valid(key, value) or None
        return None if type(value) is int and value == 0 else self.port(key)

    def child(self, key: str) -> Fields | None:
        """Return an object, `None` when absent."""
        value = self.data.get(key)
        return None if value is None else Fields.of(value, self.problems, self, key)

    def required_child(self, key: str) -> Fields:
        """Return an object that must be there."""
        if (found := self.child(key)) is not None:
            return found
        raise self.fault(key, "is required")

    def parts(self, key: str, decode: Callable[[Fields], T]) -> tuple[T, ...]:
        """Decode every item of a list; one that cannot be used is noted and left out."""
        found: list[T] = []
        for index, value in enumerate(self._list(key)):
            try:
                found.append(decode(Fields.of(value, self.problems, self, key, index)))
            except Unusable as unusable:
                self.problems.append(unusable.problem)
        return tuple(found)

    def children(self, key: str) -> Iterator[Fields]:
        """Yield the objects of a list, all of which must be objects."""
        for index, value in enumerate(self._list(key)):
            yield Fields.of(value, self.problems, self, key, index)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        items = self._list(key)
        for index, value in enumerate(items):
            if not isinstance(value, str):
                raise self.fault(
                    f"{key}[{index}]", f"must be a string, not {type_name(value)}: quote it"
                )
        return tuple(self._valid(key, value) for value in items if isinstance(value, str))

    def text_map(self, key: str) -> Mapping[str, str]:
        """Return a map of strings; a null value is ``""``, as in Go."""
        place = self.child(key)
        if place is None or not place.data:
            return NO_STRINGS
        return {name: place.text_at(name) for name in place.names()}

    def names(self) -> Iterator[str]:
        """Yield the names of all fields."""
        for name in self.data:
            if not isinstance(name, str):
                raise self.fault("", f"has a key that is {type_name(name)}: write it in quotes")
            yield self._valid("", name)

    def text_at(self, name: str) -> str:
        """Return the string under a free key, where YAML likes to make something else of it."""
        value = self.data.get(name)
        if isinstance(value, str):
            return self._valid(f"[{name}]", value)
        if value is None:
            return ""
        example = str(value).lower() if isinstance(value, bool) else "8080"
        raise self.fault(
            f"[{name}]",
            f'must be a string, not {type_name(value)}: write it in quotes, as in "{example}"',
        )

    def _list(self, key: str) -> list[object] | tuple[object, ...]:
        value = self.data.get(key)
        if value is None:
            return ()
        if isinstance(value, list | tuple):
            return value
        raise self.fault(key, f"must be a list, not {type_name(value)}")

    def _valid(self, key: str, value: str) -> str:
        """Refuse lone surrogates, which JSON can spell and no wire can carry."""
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self.fault(key, "is not valid Unicode") from None
        return value
